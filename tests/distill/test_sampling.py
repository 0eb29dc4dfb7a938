"""Which paths a step takes."""

from __future__ import annotations

from collections import Counter

import numpy as np
import pytest
from scipy.stats import chisquare

from nni_dna.distill.sampling import FairPaths, UniformPaths, step_sampler
from nni_dna.settings.distillation import DistillSettings

RADIX = {(0, 0): [(3, 2)], (0, 1): [(3,), (2, 6)], (1, 0): [(4, 4, 4)]}


def fair(radix, seed=0):
    return FairPaths(radix, np.random.default_rng(seed))


def uses(paths, layer, candidates):
    """How often each candidate of a layer is used."""
    counts = Counter(path[layer] for path in paths)
    return [counts[option] for option in range(candidates)]


def uniform(values, count):
    counts = Counter(values)
    return len(counts) == count and chisquare(list(counts.values())).pvalue > 1e-3


def test_a_fair_step_uses_every_candidate_of_every_layer_once():
    sampler = fair([(5, 5, 5)])
    assert sampler.count == 5
    for _ in range(50):
        step = sampler.draw(sampler.count)
        assert {cell for cell, _ in step} == {0}
        assert all(uses([path for _, path in step], layer, 5) == [1] * 5 for layer in range(3))


def test_the_order_of_each_layer_is_a_random_permutation_of_its_own():
    sampler = fair([(3, 3)])
    steps = [[path for _, path in sampler.draw(3)] for _ in range(1800)]
    orders = [tuple(tuple(path[layer] for path in step) for layer in range(2)) for step in steps]
    assert uniform(orders, 36)


@pytest.mark.parametrize('candidates', range(1, 8))
def test_a_layer_with_fewer_candidates_uses_them_as_evenly_as_can_be(candidates):
    sampler, total = fair([(7, candidates)]), []
    for _ in range(60):
        step = [path for _, path in sampler.draw(7)]
        assert uses(step, 0, 7) == [1] * 7
        own = uses(step, 1, candidates)
        assert min(own) >= 7 // candidates and max(own) <= -(-7 // candidates)
        total += step
        counts = uses(total, 1, candidates)
        assert max(counts) - min(counts) <= 1
    assert candidates == 1 or uniform([path for path in total if path[0] == 0], candidates)  # whatever the other layer takes


def test_a_fair_step_is_of_one_cell_drawn_uniformly_and_fair_in_each():
    sampler = fair([(2,), (3, 2), (2, 2)])
    assert sampler.count == 3
    cells, paths = [], {cell: [] for cell in range(3)}
    for _ in range(600):
        step = sampler.draw(3)
        cell, = {cell for cell, _ in step}
        cells.append(cell)
        paths[cell] += [path for _, path in step]
    assert uniform(cells, 3)
    for cell, radix in enumerate([(2,), (3, 2), (2, 2)]):
        for layer, base in enumerate(radix):
            counts = uses(paths[cell], layer, base)
            assert max(counts) - min(counts) <= 1


def test_a_cell_without_layers_has_one_path():
    assert fair([()]).draw(1) == [(0, ())]


def test_several_uniform_paths_are_drawn_as_so_many_steps_of_one():
    steps = UniformPaths([(3, 2), (4,)], np.random.default_rng(5), 4)
    one = UniformPaths([(3, 2), (4,)], np.random.default_rng(5), 1)
    assert steps.count == 4
    for _ in range(20):
        assert steps.draw(4) == [drawn for _ in range(4) for drawn in one.draw(1)]


SAMPLINGS = [{}, {'paths_per_step': 3}, {'sampling': 'fair'}]


def links(settings, keys, seed=0, steps=30, input='teacher'):
    """The links of some steps by supernet, and the chains."""
    made = DistillSettings(**settings, input=input, tasks='joint' if input == 'cascade' else 'cell')
    sampler = step_sampler(made, {key: RADIX[key] for key in keys}, seed)
    chains = [sampler.chains() for _ in range(steps)]
    found = {key: [] for key in keys}
    for step in chains:
        for chain in step:
            for key, cell, path in chain:
                found[key].append((cell, path))
    return found, chains


@pytest.mark.parametrize('settings', SAMPLINGS)
def test_paths_depend_on_the_seed_and_the_supernet_alone(settings):
    together, chains = links(settings, RADIX)
    assert all(len(chain) == 1 for step in chains for chain in step)
    for key in RADIX:
        assert links(settings, [key])[0][key] == together[key] != links(settings, [key], seed=1)[0][key]
    assert [len(together[key]) // 30 for key in RADIX] == ([3, 6, 4] if 'sampling' in settings else
                                                           [settings.get('paths_per_step', 1)] * 3)


@pytest.mark.parametrize('settings', SAMPLINGS)
def test_a_cascade_draws_one_supernet_of_each_block_and_chains_their_paths(settings):
    _, chains = links(settings, RADIX, steps=400, input='cascade')
    assert {len(step) for step in chains} == {6 if 'sampling' in settings else settings.get('paths_per_step', 1)}
    firsts = []
    for step in chains:
        first, = {chain[0][0] for chain in step}
        firsts.append(first)
        assert all([key for key, _, _ in chain] == [first, (1, 0)] for chain in step)
    assert set(firsts) == {(0, 0), (0, 1)} and uniform(firsts, 2)
    assert chains == links(settings, RADIX, steps=400, input='cascade')[1]
    assert chains != links(settings, RADIX, seed=1, steps=400, input='cascade')[1]


def test_in_a_fair_cascade_every_layer_of_every_block_is_fair():
    _, chains = links({'sampling': 'fair'}, RADIX, steps=200, input='cascade')
    found = {}
    for chain in [chain for step in chains for chain in step]:
        for key, cell, path in chain:
            found.setdefault((key, cell), []).append(path)
    assert len(found) == 4
    for (key, cell), paths in found.items():
        for layer, base in enumerate(RADIX[key][cell]):
            counts = uses(paths, layer, base)
            assert max(counts) - min(counts) <= 1
