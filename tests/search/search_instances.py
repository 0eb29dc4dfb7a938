"""Instances for the tests of the search, and slow but plain ways to solve them."""

from __future__ import annotations

import itertools

import numpy as np

from nni_dna.search import BlockTable

# The cells (layers, width) of the paper's supernet, block by block; 6 operations a layer, so 288, 1548, 1548, 2808,
# 16848 and 6 paths. Beside them the output resolution of each block.
CELLS = [[(2, 24), (3, 24), (2, 32)], [(2, 40), (3, 40), (4, 40)], [(2, 80), (3, 80), (4, 80)],
         [(3, 112), (4, 112), (4, 96)], [(4, 192), (5, 192), (5, 160)], [(1, 320)]]
RESOLUTIONS = [56, 28, 14, 14, 7, 7]
OPERATIONS = list(itertools.product((3, 5, 7), (3, 6)))
PARAMS, MADDS = 0, 1


def paper_space(rate):
    """Return tables of the size and with the params and MAdds of the paper's space.

    ``rate(costs)`` gives the ratings, shape (P,), of paths with costs of shape (P, 2) behind the first border state.
    """
    tables, widths_before = [], [16]
    for cells, resolution in zip(CELLS, RESOLUTIONS):
        widths = sorted({width for _, width in cells})
        costs, border = [], []
        for layers, width in cells:
            for operations in itertools.product(OPERATIONS, repeat=layers):
                inner = np.sum([_layer(width, width, *operation) for operation in operations[1:]], axis=0)
                first = np.array([_layer(before, width, *operations[0]) for before in widths_before])
                costs.append(first + inner)
                border.append(widths.index(width))
        costs = np.moveaxis(np.array(costs, dtype=np.float64), 0, 1) * [1, resolution ** 2]
        tables.append(BlockTable(ratings=rate(costs[0]), costs=costs, border=np.array(border)))
        widths_before = widths
    return tables


def _layer(width_in, width, kernel, expansion):
    """Params of one inverted residual with squeeze-excitation, and its MAdds per position of the feature map."""
    middle = expansion * width_in
    convolutions = width_in * middle + kernel ** 2 * middle + middle * width
    return convolutions + 2 * middle * (width_in // 4), convolutions


def rate_at_random(rng):
    return lambda costs: rng.random(len(costs))


def rate_by_size(rng, noise=0.03, decimals=None):
    """Larger paths rate better, but for some noise."""
    def rate(costs):
        size = np.log(costs[:, MADDS])
        ratings = 0.5 - 0.1 * (size - size.mean()) / size.std() + noise * rng.standard_normal(len(size))
        return ratings if decimals is None else ratings.round(decimals)
    return rate


def random_tables(rng, *, blocks, paths, costs, states=3, largest=100, decimals=None):
    """Return tables of independent random ratings, integer costs and border states."""
    tables = []
    for number in range(blocks):
        ratings = rng.random(paths)
        tables.append(BlockTable(
            ratings=ratings if decimals is None else ratings.round(decimals),
            costs=rng.integers(0, largest + 1, (states if number else 1, paths, costs)).astype(np.float64),
            border=rng.integers(0, states, paths)))
    return tables


def all_combinations(tables, tail_costs=None):
    """Return all combinations of usable paths in lexicographic order: paths (M, blocks), ratings (M,), costs (M, C)."""
    paths = np.zeros((1, 0), dtype=np.int64)
    ratings, costs, state = np.zeros(1), np.zeros((1, tables[0].costs.shape[2])), np.zeros(1, dtype=np.int64)
    for table in tables:
        parent = np.repeat(np.arange(len(paths)), len(table.ratings))
        choice = np.tile(np.arange(len(table.ratings)), len(paths))
        paths = np.column_stack([paths[parent], choice])
        ratings = ratings[parent] + table.ratings[choice]
        costs = costs[parent] + table.costs[state[parent], choice]
        state = table.border[choice]
    if tail_costs is not None:
        costs = costs + tail_costs[state]
    usable = np.isfinite(ratings)
    return paths[usable], ratings[usable], costs[usable]


def brute_force(tables, limits, top_k, tail_costs=None):
    """Return what the search promises, as a list of (rating, paths, costs)."""
    paths, ratings, costs = all_combinations(tables, tail_costs)
    kept = np.flatnonzero((costs <= np.asarray(limits)).all(axis=1))
    best = kept[np.argsort(ratings[kept], kind='stable')][:top_k]
    return list(zip(ratings[best].tolist(), map(tuple, paths[best].tolist()), map(tuple, costs[best].tolist())))


def found(result):
    """Return a search's solutions in the form of :func:`brute_force`."""
    return [(solution.rating, solution.paths, solution.costs) for solution in result.solutions]


def extreme_totals(tables, tail_costs=None):
    """Return the smallest and the largest totals, shape (C,) each, by a loop over the border states."""
    extremes = []
    for sign in (1, -1):
        totals = {0: np.zeros(tables[0].costs.shape[2])}
        for table in tables:
            reached = {}
            for state, total in totals.items():
                for ending in np.unique(table.border):
                    new = total + (sign * table.costs[state, table.border == ending]).min(axis=0)
                    reached[ending] = np.minimum(reached.get(ending, np.inf), new)
            totals = reached
        if tail_costs is not None:
            totals = {state: total + sign * tail_costs[state] for state, total in totals.items()}
        extremes.append(sign * np.min(list(totals.values()), axis=0))
    return extremes


def mixed_instance(rng):
    """One to four blocks of one to eight paths, with every kind of trouble now and then."""
    blocks, costs = int(rng.integers(1, 5)), int(rng.integers(0, 5))
    states = [1, *rng.integers(1, 4, blocks)]
    largest = int(rng.choice([0, 1, 4, 100, 10 ** 6]))
    kind = rng.choice(['spread', 'one decimal', 'equal', 'few', 'follow costs', 'scaled'])
    tables = []
    for number in range(blocks):
        paths = int(rng.integers(1, 9))
        values = rng.integers(0, largest + 1, (states[number], paths, costs)).astype(np.float64)
        if rng.random() < 0.2:
            values = rng.random(values.shape)
        ratings = rng.random(paths)
        if kind == 'one decimal':
            ratings = ratings.round(1)
        elif kind == 'equal':
            ratings = np.full(paths, 0.1)
        elif kind == 'few':
            ratings = (ratings * 3).round() / 10
        elif kind == 'follow costs' and costs:
            ratings = -values[0, :, 0] / 7
        elif kind == 'scaled':
            ratings = (ratings - 0.5) * 10.0 ** rng.integers(-5, 6)
        if rng.random() < 0.2:
            ratings[rng.random(paths) < 0.3] = rng.choice([np.nan, np.inf])
        border = rng.integers(0, states[number + 1], paths)
        if paths > 1 and rng.random() < 0.3:
            ratings[1], values[:, 1], border[1] = ratings[0], values[:, 0], border[0]
        tables.append(BlockTable(ratings=ratings, costs=values, border=border))
    tail = None if rng.random() < 0.3 else rng.integers(0, largest + 1, (states[-1], costs)).astype(np.float64)
    return tables, tail


def some_limits(rng, costs):
    """Some of the totals that exist, none, or anything around them."""
    limits = []
    for totals in costs.T:
        low, high = totals.min(), totals.max()
        limits.append(rng.choice([np.inf, rng.choice(totals), rng.choice(totals),
                                  rng.uniform(low - 0.05 * (high - low), high)]))
    return np.array(limits)
