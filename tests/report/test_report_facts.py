"""What a report shows besides pictures, against enumeration, the tables themselves, and the published table."""

from __future__ import annotations

import itertools
import json

import numpy as np
import pytest
import torch
from running import make_setup, run_in_process

from nni_dna.campaign.stored import block_ratings
from nni_dna.cost import count
from nni_dna.report.facts.folder import read_folder
from nni_dna.report.facts.layers import layers_of
from nni_dna.report.facts.over_training import mean_losses, read_over_training
from nni_dna.report.facts.published_models import PUBLISHED_MODELS
from nni_dna.report.facts.standing import share_rated_as_well
from nni_dna.report.pictures.ratings import place_in_block
from nni_dna.searching import pareto_front
from nni_dna.spaces.freezing import freeze

SCALED = {'space': {'name': 'toys.Scaled'}}


@pytest.fixture(scope='module')
def scaled(tmp_path_factory):
    """Several cells on one supernet, rated in part."""
    return run_in_process(tmp_path_factory.mktemp('scaled') / 'work', **SCALED, rate={'max_paths': 5}, distill={'tasks': 'joint'},
                          retrain={'epochs': 1})


def entries(work):
    return json.loads((work / 'ranking.json').read_text())['ranking']


@pytest.mark.parametrize('name', ['finished', 'scaled'])
def test_ratings_by_cell_are_those_of_the_tables_and_one_path_a_block_is_chosen(name, request):
    work = request.getfixturevalue(name)
    setup = make_setup(work, **({**SCALED, 'rate': {'max_paths': 5}} if name == 'scaled' else {}))
    found = read_folder(work)
    best = entries(work)[0]
    paths = setup.chain.paths_of(best['architecture'])
    for block, path, rating in zip(setup.chain.blocks, paths, best['block_ratings']):
        cells = {cell.name: cell for cell in found.ratings[block.name]}
        table = block_ratings(work, block)
        np.testing.assert_array_equal(np.concatenate([cells[cell.name].ratings for cell in block.cells]), table)
        assert {cell.name: cell.chosen for cell in cells.values() if cell.chosen is not None} == \
            {block.cells[block.locate(path)[0]].name: rating}
        assert place_in_block(list(cells.values())) == (1 + sum(table < rating), block.paths)


def test_losses_are_kept_by_block_and_supernet_and_averaged_by_epoch(finished):
    losses = read_folder(finished).losses
    assert {block: list(names) for block, names in losses.items()} == {'block1': ['deep', 'shallow'], 'block2': ['only']}
    lines = [line for names in losses.values() for line in names.values()]
    np.testing.assert_allclose(mean_losses(losses), np.mean(lines, axis=0))
    assert mean_losses({'block1': {'a': [1.0, None, 3.0], 'b': [2.0, 4.0]}}) == [1.5, 4.0, 3.0]


def test_without_a_file_there_is_nothing_over_the_training(tmp_path):
    assert read_over_training(tmp_path) == []


def test_the_front_is_what_all_combinations_give(finished):
    setup = make_setup(finished)
    ratings = [block_ratings(finished, block) for block in setup.chain.blocks]
    for cost in ('params', 'madds'):
        every = sorted((getattr(setup.costs.total(setup.chain, paths), cost), sum(map(lambda t, p: t[p], ratings, paths)))
                       for paths in itertools.product(*(range(block.paths) for block in setup.chain.blocks)))
        best = list(itertools.accumulate((rating for _, rating in every), min))
        expected = [point for index, point in enumerate(every) if index == 0 or point[1] < best[index - 1]]
        found = pareto_front(finished, cost, max_params=None, max_madds=None)['front']
        assert [(point[cost], point['rating']) for point in found] == expected


@pytest.mark.parametrize('seed', range(5))
def test_the_share_rated_as_well_is_that_of_all_combinations(seed):
    rng = np.random.default_rng(seed)
    tables = [rng.normal(size=size) for size in (7, 11, 5)]
    tables[1][3] = np.inf
    sums = np.sort([sum(combination) for combination in itertools.product(*tables)])
    for index in (0, 1, 10, 200, 330):
        share = share_rated_as_well(tables, sums[index])
        assert share >= (index + 1) / len(sums) - 1e-12
        assert share <= ((sums <= sums[index] + 3 * (sums[index] - sums[0]) / 4000).sum() + 0.5) / len(sums)


def test_of_equal_ratings_all_are_rated_as_well():
    assert share_rated_as_well([np.ones(3), np.ones(2)], 2.0) == 1.0


def test_the_best_of_very_many_is_one_of_them():
    tables = [np.linspace(0, 1, 1000) ** 2 for _ in range(6)]
    assert share_rated_as_well(tables, 0.0) == pytest.approx(1e-18)
    assert share_rated_as_well(tables, tables[0][1]) == pytest.approx(7e-18)


@pytest.mark.parametrize('name', ['finished', 'scaled'])
def test_layers_cost_what_the_network_costs(name, request):
    work = request.getfixturevalue(name)
    setup = make_setup(work, **({**SCALED, 'rate': {'max_paths': 5}} if name == 'scaled' else {}))
    for entry in entries(work):
        layers = layers_of(setup, entry['architecture'])
        assert sum(layer.cost.params for layer in layers) == entry['params']
        assert sum(layer.cost.madds for layer in layers) == entry['madds']
        for layer in layers:
            for value in layer.chosen.values():
                assert layer.kernel == int(value[1:])


def test_layers_of_inverted_residuals_say_kernel_expansion_width_and_pixels(tmp_path):
    setup = make_setup(tmp_path / 'work', space={'name': 'nni_dna.DNASpace', 'args': {
        'blocks': [{'stride': 2, 'cells': ['2x8', '1x4']}, {'stride': 2, 'cells': ['1x16']}], 'stem_stride': 1, 'stem_width': 8,
        'first_width': 0, 'head_width': 32}})
    sample = {'block1/cell': '2x8', 'block1/2x8/layer1': 'k7e3', 'block1/2x8/layer2': 'k3e6', 'block2/1x16/layer1': 'k5e6'}
    layers = layers_of(setup, sample)
    assert [(layer.block, layer.cell, layer.kernel, layer.expansion, layer.squeezes, layer.shape) for layer in layers] == [
        ('stem', '', 3, None, False, (8, 16, 16)), ('block1', '2x8', 7, 3, True, (8, 8, 8)),
        ('block1', '2x8', 3, 6, True, (8, 8, 8)), ('block2', 'only', 5, 6, True, (16, 4, 4)),
        ('head', '', None, None, False, None)]
    with torch.device('meta'):
        cost = count(freeze(setup.meta_space, sample), (3, 16, 16))[0]
    assert sum(layer.cost.madds for layer in layers) == cost.madds


# What the four architectures cost as they are counted here: tests/cost/test_published_networks.py.
COUNTED = {'DNA-a': (4.24, 335.1), 'DNA-b': (4.92, 392.5), 'DNA-c': (5.27, 450.1), 'DNA-d': (6.41, 592.8)}


def test_the_published_table_agrees_with_the_networks_that_it_names():
    models = {model.name: model for model in PUBLISHED_MODELS}
    for name, (params, madds) in COUNTED.items():
        assert models[name].params == pytest.approx(params * 1e6, abs=0.06e6)
        assert madds * 1e6 < models[name].madds < 1.05 * madds * 1e6
