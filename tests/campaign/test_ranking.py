"""The ranking against brute force, where blocks hand a width on and cells of several depths share a border."""

from __future__ import annotations

import itertools
import re
from dataclasses import dataclass
from types import SimpleNamespace

import numpy as np
import pytest
import toys
import torch

from nni_dna.campaign.ranking import block_weights, check_limits, rank, trade_offs
from nni_dna.cost import CostTables, cost_tables, count
from nni_dna.errors import InfeasibleError, SettingsError
from nni_dna.settings.sections import SearchSettings
from nni_dna.spaces import Block, Cell, Chain, Layer


def make_chain(seed):
    """Three blocks of random depths and widths; the first two hand their width on."""
    rng = np.random.default_rng(seed)
    blocks = []
    for number in range(1, 4):
        widths = [0] if number == 3 else [f'w{width}' for width in range(rng.integers(2, 4))]
        cells = []
        for depth, width in itertools.product(range(1, rng.integers(2, 4)), widths):
            layers = tuple(Layer(name=f'l{index}', options=tuple({f'{number}.{index}': kernel} for kernel in range(2)))
                           for index in range(depth))
            choice = {f'{number}.depth': depth, **({f'{number}.width': width} if width else {})}
            cells.append(Cell(name=str(choice), choice=choice, layers=layers,
                              subset=(0, 3) if depth == 2 and rng.integers(2) else None))
        rng.shuffle(cells)
        blocks.append(Block(name=f'block{number}', modules=(), cells=tuple(cells),
                            handed_on=(f'{number}.width',) if number < 3 else ()))
    return Chain(blocks=tuple(blocks), fixed={'stem': 1})


def widths_of(block):
    """The widths that a block can hand on, in the order of its cells, and that of each path."""
    number = block.name[-1]
    of_paths = [cell.choice.get(f'{number}.width') for cell in block.cells for _ in range(cell.paths)]
    return list(dict.fromkeys(of_paths)), of_paths


def make_task(seed):
    """Random ratings and costs: the cost of a path depends on the width that the block before hands on."""
    chain, rng = make_chain(seed), np.random.default_rng(seed)
    borders = [1, *(len(widths_of(block)[0]) for block in chain.blocks)]
    tables = tuple(rng.integers(1, 100, (before, block.paths, 2)) for before, block in zip(borders, chain.blocks))
    costs = CostTables(blocks=tables, rest=rng.integers(1, 100, (borders[-1], 2)))
    return chain, costs, [rng.random(block.paths) for block in chain.blocks]


def brute_force(chain, costs, ratings, max_params, max_madds):
    """All architectures that keep the limits, best first: (rating, params, madds, architecture)."""
    found = []
    for paths in itertools.product(*(range(block.paths) for block in chain.blocks)):
        total, architecture, before = np.zeros(2, dtype=int), dict(chain.fixed), 0
        for block, table, path in zip(chain.blocks, costs.blocks, paths):
            total = total + table[before, path]
            widths, of_paths = widths_of(block)
            before = widths.index(of_paths[path])
            cell, local = [(cell, local) for cell in block.cells for local in range(cell.paths)][path]
            architecture.update(cell.architecture(local))
        total = total + costs.rest[before]
        if total[0] <= max_params and total[1] <= max_madds:
            found.append((sum(table[path] for table, path in zip(ratings, paths)), *total.tolist(), architecture))
    return sorted(found, key=lambda entry: entry[0])


@pytest.mark.parametrize('shares', [(1, 1), (0.3, 1), (1, 0.3), (0.6, 0.6)])
@pytest.mark.parametrize('seed', range(8))
def test_the_ranking_over_shared_borders_is_that_of_brute_force(seed, shares):
    chain, costs, ratings = make_task(seed)
    everything = brute_force(chain, costs, ratings, np.inf, np.inf)
    limits = [float(np.quantile([entry[cost] for entry in everything], share)) for cost, share in zip((1, 2), shares)]
    best = brute_force(chain, costs, ratings, *limits)
    assert (len(best) < len(everything)) == (min(shares) < 1)
    ranking = rank(chain, costs, ratings, SearchSettings(top_k=5, max_params=limits[0], max_madds=limits[1]))
    assert [entry['rank'] for entry in ranking] == list(range(1, min(5, len(best)) + 1))
    assert [entry['rating'] for entry in ranking] == pytest.approx([entry[0] for entry in best[:5]], rel=1e-12)
    assert [(entry['params'], entry['madds'], entry['architecture']) for entry in ranking] == [entry[1:] for entry in best[:5]]
    assert all(sum(entry['block_ratings']) == pytest.approx(entry['rating'], rel=1e-12) for entry in ranking)


@pytest.mark.parametrize('seed', range(8))
def test_as_many_as_keep_the_limits_are_counted_and_none_is_an_error_with_the_cheapest(seed):
    chain, costs, ratings = make_task(seed)
    params = sorted(entry[1] for entry in brute_force(chain, costs, ratings, np.inf, np.inf))
    few = sum(value <= params[2] for value in params)
    assert check_limits(chain, costs, SearchSettings(top_k=100, max_params=float(params[2]))) == few
    assert len(rank(chain, costs, ratings, SearchSettings(top_k=100, max_params=float(params[2])))) == few
    with pytest.raises(InfeasibleError) as caught:
        check_limits(chain, costs, SearchSettings(max_params=float(params[0] - 1)))
    assert caught.value.cheapest['search.max_params'] == params[0]


def test_borders_are_what_is_handed_on_whatever_the_depth():
    for seed in range(8):
        for block in make_chain(seed).blocks:
            widths, of_paths = widths_of(block)
            number = block.name[-1]
            assert block.borders == tuple({f'{number}.width': width} if width else {} for width in widths)
            of_cells = [cell.choice.get(f'{number}.width') for cell in block.cells]
            assert [widths[border] for border in block.cell_borders] == of_cells


@pytest.fixture(scope='module')
def scaled():
    """The toy space whose width is handed on, and the cost of each of its networks, frozen and counted whole."""
    chain = toys.read_chain(toys.Scaled())
    with torch.device('meta'):
        costs = cost_tables(toys.Scaled(), chain, (3, 16, 16))
        networks = {paths: count(toys.Scaled().freeze(chain.architecture(paths)), (3, 16, 16))[0]
                    for paths in itertools.product(*(range(block.paths) for block in chain.blocks))}
    return chain, costs, networks


@pytest.mark.parametrize('limit', ['params', 'madds'])
@pytest.mark.parametrize('share', [0.1, 0.5, 1.0])
@pytest.mark.parametrize('seed', range(3))
def test_the_ranking_of_a_space_is_that_of_its_whole_networks(scaled, limit, share, seed):
    chain, costs, networks = scaled
    rng = np.random.default_rng(seed)
    ratings = [rng.random(block.paths) for block in chain.blocks]
    values = sorted(getattr(cost, limit) for cost in networks.values())
    most = values[int(share * (len(values) - 1))]
    best = sorted((ratings[0][paths[0]] + ratings[1][paths[1]], paths)
                  for paths, cost in networks.items() if getattr(cost, limit) <= most)
    ranking = rank(chain, costs, ratings, SearchSettings(top_k=100, **{f'max_{limit}': float(most)}))
    assert [entry['architecture'] for entry in ranking] == [chain.architecture(paths) for _, paths in best]
    assert [(entry['params'], entry['madds']) for entry in ranking] == [
        (networks[paths].params, networks[paths].madds) for _, paths in best]


# Weights of the blocks, the front, and costs of other names

@pytest.mark.parametrize(['given', 'weights'], [
    ([0.5, 0.0, 3], (0.5, 0.0, 3)), ({'block2': 0.25}, (1, 0.25, 1)), ([1, 1, 1], (1, 1, 1)), (None, (1, 1, 1))],
    ids=['list', 'mapping', 'ones', 'none'])
@pytest.mark.parametrize('seed', range(4))
def test_the_weighted_ranking_is_that_of_brute_force_over_weighted_ratings(seed, given, weights):
    chain, costs, ratings = make_task(seed)
    ratings = [np.round(table, 1) + 0.01 * index for index, table in enumerate(ratings)]  # with ties
    limit = np.quantile([entry[1] for entry in brute_force(chain, costs, ratings, np.inf, np.inf)], 0.6)
    best = brute_force(chain, costs, [weight * table for weight, table in zip(weights, ratings)], limit, np.inf)[:20]
    ranking = rank(chain, costs, ratings, SearchSettings(top_k=20, max_params=float(limit), weights=given))
    assert [entry['rating'] for entry in ranking] == pytest.approx([entry[0] for entry in best], rel=1e-12)
    assert [entry['architecture'] for entry in ranking] == [entry[3] for entry in best]
    for entry in ranking:
        paths = find_paths(chain, entry['architecture'])
        assert entry['block_ratings'] == [table[path] for table, path in zip(ratings, paths)]
        assert entry['rating'] == pytest.approx(sum(map(np.multiply, weights, entry['block_ratings'])), rel=1e-12)
    assert list(block_weights(chain, SearchSettings(weights=given)).items()) == list(zip(('block1', 'block2', 'block3'), weights))


def find_paths(chain, architecture):
    """The path of each block that an architecture takes, by trying all."""
    return [next(path for path in range(block.paths) for cell, local in [block.locate(path)]
                 if block.cells[cell].architecture(local).items() <= architecture.items()) for block in chain.blocks]


def test_weights_of_one_leave_every_bit_of_the_ranking():
    for seed in range(4):
        chain, costs, ratings = make_task(seed)
        plain = rank(chain, costs, ratings, SearchSettings(top_k=50))
        assert rank(chain, costs, ratings, SearchSettings(top_k=50, weights=[1.0, 1.0, 1.0])) == plain
        assert [entry['rating'] for entry in plain] == [sum(entry['block_ratings']) for entry in plain]


@pytest.mark.parametrize(['weights', 'message'], [
    ([1.0, 2.0], 'expected one number for each of the 3 blocks (block1, block2, block3), got 2'),
    ([1.0] * 4, 'got 4'), ({'block4': 1.0}, "no block 'block4'; nearest known: block"),
    ([0.0] * 3, 'above 0 for one block at least'), ({'block1': 0.0, 'block2': 0.0, 'block3': 0.0}, 'above 0')])
def test_weights_that_do_not_fit_the_blocks_are_refused_by_the_check_and_the_search(weights, message):
    chain, costs, ratings = make_task(0)
    settings = SearchSettings(weights=weights)
    for ask in (lambda: check_limits(chain, costs, settings), lambda: rank(chain, costs, ratings, settings)):
        with pytest.raises(SettingsError, match='search.weights: .*' + re.escape(message)):
            ask()


@pytest.mark.parametrize('weights', [None, [2.0, 0.5, 1.0]])
@pytest.mark.parametrize('cost', ['params', 'madds'])
@pytest.mark.parametrize('seed', range(4))
def test_the_trade_offs_are_those_of_brute_force(seed, cost, weights):
    chain, costs, ratings = make_task(seed)
    everything = brute_force(chain, costs, ratings, np.inf, np.inf)
    limits = [float(np.quantile([entry[column] for entry in everything], 0.7)) for column in (1, 2)]
    weighted = [weight * table for weight, table in zip(weights or (1, 1, 1), ratings)]
    column, best, front = ('params', 'madds').index(cost) + 1, np.inf, []
    for entry in sorted(brute_force(chain, costs, weighted, *limits), key=lambda entry: (entry[column], entry[0])):
        if entry[0] < best:
            best = entry[0]
            front.append(entry)
    settings = SearchSettings(top_k=1, max_params=limits[0], max_madds=limits[1], weights=weights)
    found = trade_offs(chain, costs, ratings, settings, cost)
    assert len(found) > 1
    assert [(entry['params'], entry['madds'], entry['architecture']) for entry in found] == [entry[1:] for entry in front]
    assert [entry['rating'] for entry in found] == pytest.approx([entry[0] for entry in front], rel=1e-12)


def test_a_cost_of_another_name_is_limited_reported_and_traded_off_as_any_other():
    @dataclass(frozen=True, kw_only=True)
    class MoreSettings(SearchSettings):
        max_latency: float | None = None

    chain, costs, ratings = make_task(1)
    rng = np.random.default_rng(5)
    times = [rng.random(table.shape[:2] + (1,)) for table in costs.blocks]
    columns = [np.concatenate(pair, axis=-1) for pair in zip(costs.columns(), [*times, np.ones((1, 1))])]
    more = SimpleNamespace(names=('params', 'madds', 'latency'), whole=(True, True, False), peaks=(), columns=lambda: columns)
    settings = MoreSettings(top_k=3)
    fastest = trade_offs(chain, more, ratings, settings, 'latency')[0]
    paths = find_paths(chain, fastest['architecture'])
    assert fastest['latency'] == pytest.approx(_total(chain, times, paths) + 1)
    limited = rank(chain, more, ratings, MoreSettings(top_k=3, max_latency=fastest['latency']))
    assert [entry['architecture'] for entry in limited] == [fastest['architecture']]
    with pytest.raises(InfeasibleError, match='search.max_latency: the cheapest possible is'):
        check_limits(chain, more, MoreSettings(max_latency=1.0))
    with pytest.raises(SettingsError, match='search.max_latency: .*not counted; counted are params, madds'):
        check_limits(chain, costs, MoreSettings(max_latency=1.0))
    with pytest.raises(SettingsError, match="front: expected one of the costs params, madds, got 'latency'"):
        trade_offs(chain, costs, ratings, settings, 'latency')


def _total(chain, tables, paths):
    total, before = 0, 0
    for block, table, path in zip(chain.blocks, tables, paths):
        total, before = total + table[before, path, 0], block.cell_borders[block.locate(path)[0]]
    return total
