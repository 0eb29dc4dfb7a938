"""The bounds against enumeration, and the multipliers against a linear program."""

import numpy as np
import pytest
from scipy.optimize import linprog

from nni_dna.search.bounds import Weights, remaining, restrict, through
from nni_dna.search.chain import Chain
from nni_dna.search.multipliers import best_multipliers
from nni_dna.search.slack import slack_for
from search_instances import all_combinations, random_tables

TAIL = np.array([[0.0, 5.0], [3.0, 1.0], [8.0, 0.0]])


def _chain(seed=0, limits=(170.0, 175.0), paths=7):
    tables = random_tables(np.random.default_rng(seed), blocks=4, paths=paths, costs=2)
    return tables, Chain.from_tables(tables, TAIL, np.array(limits))


@pytest.mark.parametrize('rating', [0.0, 1.0])
def test_the_bounds_are_the_smallest_weighted_totals(rating):
    tables, chain = _chain()
    weights = Weights(rating=rating, costs=np.array([0.01, 0.003]))
    paths, ratings, costs = all_combinations(tables, TAIL)
    totals = rating * ratings + costs @ weights.costs
    assert remaining(chain, weights)[0] == pytest.approx(totals.min())
    for block, bounds in enumerate(through(chain, weights)):
        expected = [totals[paths[:, block] == path].min() for path in range(len(bounds))]
        assert bounds == pytest.approx(expected)


def test_restricting_keeps_every_combination_under_the_cutoff():
    tables, chain = _chain(paths=12)
    paths, ratings, costs = all_combinations(tables, TAIL)
    kept = (costs <= chain.limits).all(axis=1)
    cutoff = np.sort(ratings[kept])[10]
    small = chain
    for mu in ([0.0, 0.0], [0.004, 0.0], [0.003, 0.003]):
        small = restrict(small, Weights(rating=1.0, costs=np.array(mu)), cutoff)
    assert sum(len(link.index) for link in small.links) < sum(len(link.index) for link in chain.links)
    for block, link in enumerate(small.links):
        assert set(paths[kept & (ratings <= cutoff), block]) <= set(link.index)


def test_the_extreme_totals_are_exact():
    tables, chain = _chain()
    _, _, costs = all_combinations(tables, TAIL)
    assert chain.smallest_totals().tolist() == costs.min(axis=0).tolist()
    assert chain.largest_totals().tolist() == costs.max(axis=0).tolist()


@pytest.mark.parametrize('seed', range(5))
def test_the_best_bound_is_that_of_the_linear_program_over_all_combinations(seed):
    tables, chain = _chain(seed, paths=5)
    _, ratings, costs = all_combinations(tables, TAIL)
    program = linprog(ratings, A_ub=costs.T, b_ub=chain.limits, A_eq=np.ones((1, len(ratings))), b_eq=[1])
    assert program.success
    tried = best_multipliers(chain)
    assert tried[0][0] == pytest.approx(program.fun, abs=1e-7)
    assert all((mu >= 0).all() for _, mu in tried)
    assert [bound for bound, _ in tried] == sorted((bound for bound, _ in tried), reverse=True)


def test_about_as_many_combinations_as_aimed_at_lie_within_the_slack():
    rng = np.random.default_rng(0)
    slacks = [np.append(rng.random(20), 0.0) for _ in range(4)]
    totals = sum(np.ix_(*slacks)).ravel()
    for aim in (30, 1000, 50000):
        assert aim / 2 <= (totals <= slack_for(slacks, aim)).sum() <= 2 * aim
    assert slack_for(slacks, 21 ** 4) == np.inf
