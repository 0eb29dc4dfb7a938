"""All paths of a supernet in one traversal of each cell, against one plain pass per path."""

import copy
import dataclasses

import numpy as np
import pytest
import torch
from torch import nn
from plain_ratings import (SCALED_SUPERNETS, TOY_SUPERNETS, SharedPath, count_calls, paths_of,
                           plain_rating, plain_ratings, rate, rate_cells, stir, task_of)

import toys
from nni_dna.rating import PathRater
from nni_dna.spaces import build_space
from nni_dna.supernet import BlockSupernet, CellPlan, DNAMutator


@pytest.mark.parametrize('measure, formula', [
    ('mse', lambda y, out: np.square(y - out).mean()), ('mse_var', lambda y, out: np.square(y - out).mean() / y.var()),
    ('cosine', lambda y, out: 1 - (y * out).sum() / (np.linalg.norm(y) * np.linalg.norm(out)))])
def test_every_path_is_rated_by_the_measure_that_is_asked_for(scaled, maps, measure, formula):
    supernet, cells = scaled[1, 0]
    calibration, held_out = task_of(maps, 1)
    rater = PathRater(supernet, cells, measure)
    rater.calibrate(calibration)
    for features, target in held_out:
        rater.add(features, target)
    expected = [plain_rating(SharedPath(supernet, index, path), calibration, held_out, formula)
                for index, cell in enumerate(cells) for path in paths_of(cell)]
    assert torch.cat(rater.ratings()).tolist() == pytest.approx(expected, rel=1e-4)


@pytest.mark.parametrize('key', TOY_SUPERNETS)
def test_every_path_of_the_toy_space_is_rated_as_by_a_plain_pass_of_its_own(toy, maps, key):
    calibration, held_out = task_of(maps, key[0])
    expected = plain_ratings(*toy[key], calibration, held_out)
    ratings = rate(*toy[key], calibration, held_out)
    assert ratings == pytest.approx(expected, rel=1e-6)
    assert len(set(ratings)) == len(ratings) > 1


@torch.no_grad()
def sliced(supernet, index, cell, path, incoming):
    """One path as a plain network: NNI's freeze of every layer, with the leading slices of the supernet's weights."""
    space, entry, exit = toys.Scaled(), supernet.entry, supernet.steps[index][-1]
    layers = []
    for layer, step, option in zip(cell.layers, supernet.steps[index][1:-1], path):
        label, chosen = next(iter(layer.options[option].items()))
        plain = space.get_submodule(layer.name).freeze({**incoming, **cell.choice, label: chosen})
        shared = dict(step.get_submodule(chosen).named_parameters())
        for name, weight in plain.named_parameters():
            weight.copy_(shared[name][tuple(slice(size) for size in weight.shape)])
        layers.append(plain)
    return nn.Sequential(copy.deepcopy(entry), *layers, copy.deepcopy(exit))


@pytest.mark.parametrize('key', SCALED_SUPERNETS)
def test_every_path_of_several_cells_is_rated_as_a_plain_network_with_the_slices_of_its_weights(scaled, maps, key):
    calibration, held_out = task_of(maps, key[0])
    supernet, cells = scaled[key]
    incoming = toys.read_chain(toys.Scaled()).blocks[key[0]].incoming
    expected = [[plain_rating(sliced(supernet, index, cell, path, incoming), calibration, held_out) for path in paths_of(cell)]
                for index, cell in enumerate(cells)]
    ratings = rate_cells(supernet, cells, calibration, held_out)
    assert [len(part) for part in ratings] == [cell.paths for cell in cells]
    for part, plain in zip(ratings, expected):
        assert part == pytest.approx(plain, rel=1e-5)
    assert len({rating for part in ratings for rating in part}) == sum(map(len, ratings))


@pytest.mark.parametrize('key', SCALED_SUPERNETS)
@pytest.mark.parametrize('keep', [slice(0, 1), slice(1, None), slice(None, None, 3)])
@pytest.mark.parametrize('whole_cells', [(), (1,)])
def test_a_subset_is_rated_as_in_the_whole_traversal_and_nothing_else_runs(scaled, maps, key, keep, whole_cells):
    supernet, cells = scaled[key]
    whole = rate_cells(supernet, cells, *task_of(maps, key[0]))
    kept = [cell if index in whole_cells else dataclasses.replace(cell, subset=tuple(range(cell.all_paths))[keep])
            for index, cell in enumerate(cells)]
    counts = count_calls(supernet.exits)
    ratings = rate_cells(supernet, kept, *task_of(maps, key[0]))
    assert ratings == [[part[path] for path in cell.subset or range(cell.all_paths)] for part, cell in zip(whole, kept)]
    assert sum(counts) == 2 * sum(cell.paths for cell in kept)  # to calibrate, and to rate a batch


def digits_supernet(block, name, width):
    torch.manual_seed(0)
    space = build_space('digits', {}, num_classes=10)
    chain = toys.read_chain(copy.deepcopy(space), size=32)
    entry = nn.Sequential(nn.Conv2d(9, width, 1, bias=False), nn.BatchNorm2d(width))
    supernet = DNAMutator().supernet(space, chain, block=block, name=name, entry=entry, exits=[nn.Conv2d(24, 7, 1)])
    stir(supernet)
    return supernet, [cell for cell in chain.blocks[block].cells if cell.supernet == name]


@pytest.fixture(scope='module')
def digits():
    """A cell of two layers with six candidates each, and what it is rated on."""
    generator = torch.Generator().manual_seed(1)
    calibration = torch.randn(12, 9, 4, 4, generator=generator)
    held_out = [(torch.randn(size, 9, 4, 4, generator=generator), torch.randn(size, 7, 2, 2, generator=generator))
                for size in (6, 3)]
    return *digits_supernet(2, '2x24', 16), calibration, held_out


def test_every_path_of_a_digits_cell_is_rated_as_by_a_plain_pass_of_its_own(digits):
    ratings = rate(*digits)
    assert len(ratings) == 36
    assert ratings == pytest.approx(plain_ratings(*digits), rel=1e-5)


@pytest.mark.parametrize('subset', [(0,), (35,), (5, 6), (0, 7, 8, 9, 20, 21, 35), tuple(range(3, 36, 4))])
def test_of_a_subset_each_beginning_runs_once_and_no_other(digits, subset):
    supernet, [cell], calibration, held_out = digits
    whole = rate(supernet, [cell], calibration, held_out)
    part = dataclasses.replace(cell, subset=subset)
    rater = PathRater(supernet, [part])
    rater.calibrate(calibration)
    counts = count_calls(supernet.steps[0])
    for features, target in held_out:
        rater.add(features, target)
    ratings, = rater.ratings()
    assert ratings.tolist() == [whole[path] for path in subset]
    beginnings = len({path // 6 for path in subset})
    assert counts == [1, beginnings, len(subset), len(subset)]  # the two batches are joined


def test_ratings_do_not_depend_on_the_statistics_from_training(case):
    first = rate(*case)
    for part in case[0].modules():
        if isinstance(part, nn.BatchNorm2d):
            part.running_mean.fill_(100)
            part.running_var.fill_(0.01)
    assert rate(*case) == first


def test_ratings_depend_on_the_calibration_images(toy, maps):
    calibration, held_out = task_of(maps, 1)
    ratings = rate(*toy[1, 0], calibration, held_out)
    assert ratings != pytest.approx(rate(*toy[1, 0], calibration * 2, held_out), rel=1e-3)


def test_a_path_is_rated_the_same_wherever_it_stands_in_the_order(toy, maps):
    supernet, cells = toy[1, 0]
    options = [[{f'c{layer}': kernel} for kernel in ('k3', 'k1')] for layer in (1, 2)]  # the other way round
    layers = dict(zip('ab', supernet.steps[0][1:-1]))
    turned = BlockSupernet(supernet.entry, layers, supernet.exits, [CellPlan(layers=['a', 'b'], options=options, exit=0)])
    assert rate(turned, cells, *task_of(maps, 1)) == rate(supernet, cells, *task_of(maps, 1))[::-1]


def test_a_cell_is_rated_the_same_whichever_others_stand_before_it(scaled, maps):
    supernet, cells = scaled[0, 0]
    layers = dict(zip(('first', 'more.blocks.0'), supernet.layers))
    plans = [CellPlan(layers=[layer.name for layer in cell.layers], exit=index % 2,
                      options=[[{**cell.choice, **option} for option in layer.options] for layer in cell.layers])
             for index, cell in enumerate(cells)]
    whole = rate_cells(supernet, cells, *task_of(maps, 0))
    for order in ([3, 2, 1, 0], [2], [1, 3]):
        turned = BlockSupernet(supernet.entry, layers, supernet.exits, [plans[index] for index in order])
        assert rate_cells(turned, [cells[index] for index in order], *task_of(maps, 0)) == [whole[index] for index in order]


@pytest.mark.parametrize('sizes', [(1,) * 16, (5, 11), (8, 8)])
def test_the_batches_of_held_out_images_do_not_matter(case, sizes):
    supernet, cells, calibration, [(features, target)] = case
    split = list(zip(features.split(sizes), target.split(sizes)))
    expected = rate(supernet, cells, calibration, [(features, target)])
    assert rate(supernet, cells, calibration, split) == pytest.approx(expected, rel=1e-6)
    assert rate(supernet, cells, calibration, split[::-1]) == pytest.approx(expected, rel=1e-6)


def test_two_raters_of_one_supernet_do_not_disturb_each_other(case):
    supernet, cells, calibration, held_out = case
    expected = rate_cells(*case)
    first, second = PathRater(supernet, cells), PathRater(supernet, cells)
    first.calibrate(calibration)
    second.calibrate(calibration * 3)
    for features, target in held_out:
        second.add(features, target)
        first.add(features, target)
    assert [ratings.tolist() for ratings in first.ratings()] == expected


def test_a_rating_counts_all_images_that_were_added(toy, maps):
    calibration, [(features, target)] = task_of(maps, 0)
    rater = PathRater(*toy[0, 1])
    rater.calibrate(calibration)
    for _ in range(3):
        rater.add(features, target)
    once = rate(*toy[0, 1], calibration, [(features, target)])
    assert rater.ratings()[0].tolist() == pytest.approx(once, rel=1e-12)


def test_rating_leaves_weights_momenta_and_evaluation_mode(case):
    supernet = case[0].train()
    norms = [part for part in supernet.modules() if isinstance(part, nn.BatchNorm2d)]
    momenta = [0.01 * (number + 1) for number in range(len(norms))]
    kept = [getattr(norm, 'init_arguments', vars(norm)) for norm in norms]  # NNI's own BatchNorm reads the momentum there
    for norm, place, momentum in zip(norms, kept, momenta):
        place['momentum'] = momentum
    weights = {name: weight.clone() for name, weight in supernet.named_parameters()}
    rate(*case)
    assert [place['momentum'] for place in kept] == momenta
    assert all(torch.equal(weight, weights[name]) for name, weight in supernet.named_parameters())
    assert not supernet.training
    assert not any(part._forward_hooks for part in supernet.modules())


def test_a_path_whose_output_is_not_finite_has_a_rating_that_is_not(toy, maps):
    supernet, cells = toy[1, 0]
    with torch.no_grad():
        supernet.layers[0].get_submodule('k3')[0].weight[0] = float('nan')
    assert np.isfinite(rate(supernet, cells, *task_of(maps, 1))).tolist() == [True, True, False, False]
