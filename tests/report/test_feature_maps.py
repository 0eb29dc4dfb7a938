"""The maps that are shown are those of a plain forward pass, and those that the rating measured."""

from __future__ import annotations

import json

import numpy as np
import pytest
import torch
from running import make_setup
from safetensors.torch import load_file
from toys import Teacher
from torch.nn import functional as F

from nni_dna.campaign.stored import block_ratings
from nni_dna.campaign.work import WorkFolder
from nni_dna.report.facts.feature_maps import feature_maps, student_map


@pytest.fixture(scope='module')
def setup(finished):
    return make_setup(finished)


@pytest.fixture(scope='module')
def shown(setup, finished):
    return feature_maps(setup, WorkFolder(finished), best(finished)['architecture'], channels=3)


def best(work):
    return json.loads((work / 'ranking.json').read_text())['ranking'][0]


def plain_teacher(work, images):
    network = Teacher()
    network.load_state_dict(load_file(work / 'teacher' / 'train' / 'teacher.safetensors'))
    with torch.no_grad():
        first = network.eval().stage1(images)
        return [images, first, network.stage2(first)]


def plain_path(weights, operations, strides, calibration, x):
    """Convolution, BatchNorm with the statistics of the calibration images, ReLU, layer after layer, written out by hand."""
    def both(function):
        return function(calibration), function(x)

    def norm(name, calibration, x):
        variance, mean = torch.var_mean(calibration, (0, 2, 3), correction=1)
        affine = weights[f'{name}.weight'], weights[f'{name}.bias']
        return (F.batch_norm(calibration, None, None, *affine, training=True), F.batch_norm(x, mean, variance, *affine))

    if 'entry.0.weight' in weights:
        calibration, x = norm('entry.1', *both(lambda y: F.conv2d(y, weights['entry.0.weight'])))
    for index, (operation, stride) in enumerate(zip(operations, strides)):
        name, padding = f'layers.{index}.{operation}', int(operation[1]) // 2
        calibration, x = both(lambda y: F.conv2d(y, weights[f'{name}.0.weight'], weights[f'{name}.0.bias'], stride, padding))
        calibration, x = (F.relu(y) for y in norm(f'{name}.1', calibration, x))
    return F.conv2d(x, weights['exits.0.weight'], weights['exits.0.bias'])


def test_both_maps_are_those_of_a_plain_forward_pass(shown, setup, finished):
    image, maps = shown
    images = next(iter(setup.data.holdout()))[0]
    torch.testing.assert_close(image, images[0])
    chosen = best(finished)['architecture']
    calibration = plain_teacher(finished, next(iter(setup.data.calibration()))[0])
    teacher = plain_teacher(finished, images[:1])
    cell = chosen['cell']
    paths = {'block1': (cell, ['a1'] if cell == 'shallow' else ['b1', 'b2']), 'block2': ('only', ['c1', 'c2'])}
    for number, found in enumerate(maps):
        supernet, labels = paths[found.block]
        weights = load_file(finished / 'distill' / found.block / supernet / 'supernet.safetensors')
        with torch.no_grad():
            student = plain_path(weights, [chosen[label] for label in labels], (2, 1), calibration[number], teacher[number])
        torch.testing.assert_close(found.teacher, teacher[number + 1][0])
        torch.testing.assert_close(found.student, student[0], rtol=1e-4, atol=1e-5)


def test_the_channels_are_those_that_vary_most_in_the_teacher(shown):
    for maps in shown[1]:
        spread = maps.teacher.numpy().reshape(len(maps.teacher), -1).var(axis=1)
        assert maps.channels == np.argsort(-spread, kind='stable')[:3].tolist()


def test_over_all_held_out_images_the_maps_give_the_rating_in_the_table(setup, finished):
    work = WorkFolder(finished)
    held_out = torch.cat([images for images, _ in setup.data.holdout()])
    calibration = plain_teacher(finished, next(iter(setup.data.calibration()))[0])
    teacher = plain_teacher(finished, held_out)
    for number, block in enumerate(setup.chain.blocks):
        table = block_ratings(finished, block)
        for path in range(block.paths):
            student = student_map(setup, work, block, path, calibration[number], teacher[number])
            target = teacher[number + 1]
            rating = (student - target).abs().mean() / target.std(correction=0)
            assert rating.item() == pytest.approx(table[path], rel=1e-4)
