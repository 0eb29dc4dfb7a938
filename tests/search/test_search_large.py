"""The search against other exact methods where enumeration is out of reach."""

import numpy as np
import pytest
from scipy import sparse
from scipy.optimize import Bounds, LinearConstraint, milp

from nni_dna.search import BlockTable, search
from search_instances import MADDS, extreme_totals, paper_space, random_tables, rate_at_random, rate_by_size


def _milp_rating(tables, limits):
    """Return the best rating by HiGHS, with a variable per block, border state before it and path."""
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
    assert solved.success
    return solved.fun


def _pareto_rating(tables, limit):
    """Return the best rating under one limit by a plain dynamic program over all Pareto-optimal partial sums."""
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
    return min(ratings[costs <= limit].min(initial=np.inf) for ratings, costs in fronts.values())


def _front(ratings, costs):
    order = np.lexsort([ratings, costs])
    ratings, costs = ratings[order], costs[order]
    best = np.concatenate([[True], ratings[1:] < np.minimum.accumulate(ratings)[:-1]])
    return ratings[best], costs[best]


def _without_dominated(table):
    """Return the table without the paths that another one beats in rating and in every cost, one by one."""
    kept = []
    for path in np.argsort(table.ratings):
        rivals = [rival for rival in kept if table.border[rival] == table.border[path]]
        if not (table.costs[:, rivals] <= table.costs[:, [path]]).all(axis=(0, 2)).any():
            kept.append(path)
    return BlockTable(ratings=table.ratings[kept], costs=table.costs[:, kept], border=table.border[kept])


def _limits(tables, share):
    smallest, largest = extreme_totals(tables)
    return smallest + share * (largest - smallest)


@pytest.mark.parametrize('costs', [1, 2, 3])
@pytest.mark.parametrize('share', [0.15, 0.35])
def test_five_blocks_of_forty_paths_give_the_optimum_of_a_mixed_integer_program(costs, share):
    tables = random_tables(np.random.default_rng(costs), blocks=5, paths=40, costs=costs, largest=1000)
    limits = _limits(tables, share)
    assert search(tables, limits=limits).solutions[0].rating == pytest.approx(_milp_rating(tables, limits), abs=1e-6)


@pytest.mark.parametrize('rate', [rate_at_random, rate_by_size])
@pytest.mark.parametrize('share', [0.2, 0.5])
def test_the_full_space_gives_the_optimum_of_a_dynamic_program(rate, share):
    tables = [BlockTable(ratings=table.ratings, costs=table.costs[:, :, MADDS:], border=table.border)
              for table in paper_space(rate(np.random.default_rng(0)))]
    limits = _limits(tables, share)
    assert search(tables, limits=limits).solutions[0].rating == _pareto_rating(tables, limits[0])


@pytest.mark.parametrize('rate', [rate_at_random, rate_by_size])
def test_the_full_space_under_two_limits_gives_the_optimum_of_a_mixed_integer_program(rate):
    tables = paper_space(rate(np.random.default_rng(0)))
    limits = _limits(tables, 0.3)
    expected = _milp_rating([_without_dominated(table) for table in tables], limits)
    assert search(tables, limits=limits).solutions[0].rating == pytest.approx(expected, abs=1e-6)


@pytest.mark.parametrize('decimals', [None, 1])
def test_the_best_hundred_of_the_full_space_contain_the_best_few_and_keep_the_limits(decimals):
    tables = paper_space(rate_by_size(np.random.default_rng(2), decimals=decimals))
    limits = _limits(tables, 0.3)
    hundred = search(tables, limits=limits, top_k=100).solutions
    assert len(set(solution.paths for solution in hundred)) == 100
    assert (np.array([solution.costs for solution in hundred]) <= limits).all()
    for top_k in (1, 7):
        assert search(tables, limits=limits, top_k=top_k).solutions == hundred[:top_k]


def test_paths_dropped_from_the_full_space_drop_out_of_the_ranking():
    # Forbidding the best solutions' fifth path must leave exactly the others, in the same order.
    tables = paper_space(rate_at_random(np.random.default_rng(3)))
    limits = _limits(tables, 0.2)
    before = search(tables, limits=limits, top_k=50).solutions
    banned = before[0].paths[4]
    ratings = tables[4].ratings.copy()
    ratings[banned] = np.nan
    tables[4] = BlockTable(ratings=ratings, costs=tables[4].costs, border=tables[4].border)
    left = [solution for solution in before if solution.paths[4] != banned]
    assert 0 < len(left) < 50
    assert list(search(tables, limits=limits, top_k=len(left)).solutions) == left


def test_equal_ratings_in_the_full_space_give_the_first_tuples():
    tables = paper_space(lambda costs: np.full(len(costs), 0.1))
    result = search(tables, limits=[np.inf, np.inf], top_k=13)
    assert [solution.paths for solution in result.solutions] == [(0, 0, 0, 0, *divmod(number, 6))
                                                                 for number in range(13)]
