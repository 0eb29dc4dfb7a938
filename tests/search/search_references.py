"""Other exact methods, for instances that are too large to enumerate."""

from __future__ import annotations

import numpy as np
from scipy import sparse
from scipy.optimize import Bounds, LinearConstraint, milp

from nni_dna.search import BlockTable


def milp_rating(tables, limits):
    """Return the best rating by HiGHS, with a variable per block, border state before it and path; None if there is none."""
    objective, blocks, ins, outs, costs = [], [], [], [], []
    for number, table in enumerate(tables):
        for state in range(table.costs.shape[0]):
            usable = np.flatnonzero(np.isfinite(table.ratings))
            objective.append(table.ratings[usable])
            costs.append(table.costs[state, usable])
            blocks.append(np.full(len(usable), number))
            ins.append(np.full(len(usable), state))
            outs.append(table.border[usable])
    objective, blocks, ins, outs = map(np.concatenate, (objective, blocks, ins, outs))
    equations, right = [], []
    for number in range(len(tables)):
        equations.append(blocks == number)
        right.append(1)
        for state in range(tables[number].costs.shape[0] if number else 0):
            leaves, enters = (blocks == number - 1) & (outs == state), (blocks == number) & (ins == state)
            equations.append(leaves.astype(float) - enters)
            right.append(0)
    solved = milp(objective, integrality=np.ones(len(objective)), bounds=Bounds(0, 1), options={'mip_rel_gap': 0.0},
                  constraints=[LinearConstraint(sparse.csr_array(np.array(equations, dtype=float)), right, right),
                               LinearConstraint(np.concatenate(costs).T, -np.inf, limits)])
    assert solved.status in (0, 2), solved.message
    return solved.fun


def plain_front(tables):
    """Return the Pareto front of the rating and the only cost, by a plain dynamic program over all partial sums.

    Two arrays of shape (M,): ratings and costs, in ascending order of the costs.
    """
    fronts = {0: (np.zeros(1), np.zeros(1))}
    for table in tables:
        reached = {}
        for state, (ratings, costs) in fronts.items():
            for ending in np.unique(table.border):
                here = table.border == ending
                choices = _front(table.ratings[here], table.costs[state, here, 0])
                reached.setdefault(ending, []).append(_front((ratings[:, None] + choices[0]).ravel(),
                                                             (costs[:, None] + choices[1]).ravel()))
        fronts = {ending: _front(*map(np.concatenate, zip(*parts))) for ending, parts in reached.items()}
    return _front(*map(np.concatenate, zip(*fronts.values())))


def _front(ratings, costs):
    order = np.lexsort([ratings, costs])
    ratings, costs = ratings[order], costs[order]
    best = np.concatenate([[True], ratings[1:] < np.minimum.accumulate(ratings)[:-1]])
    return ratings[best], costs[best]


def without_dominated(table):
    """Return the table without the paths that another one beats in rating and in every cost, one by one."""
    kept = []
    for path in np.argsort(table.ratings):
        rivals = [rival for rival in kept if table.border[rival] == table.border[path]]
        if not (table.costs[:, rivals] <= table.costs[:, [path]]).all(axis=(0, 2)).any():
            kept.append(path)
    return BlockTable(ratings=table.ratings[kept], costs=table.costs[:, kept], border=table.border[kept])
