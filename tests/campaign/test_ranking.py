"""The ranking against brute force, where blocks hand a width on and cells of several depths share a border."""

from __future__ import annotations

import itertools

import numpy as np
import pytest
import toys
import torch

from nni_dna.campaign.ranking import check_limits, rank
from nni_dna.cost import CostTables, cost_tables, count
from nni_dna.errors import InfeasibleError
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
