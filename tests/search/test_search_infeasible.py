"""Limits that cannot be met."""

import numpy as np
import pytest

from nni_dna.errors import InfeasibleError
from nni_dna.search import BlockTable, search
from search_instances import all_combinations, extreme_totals, paper_space, random_tables, rate_at_random


def test_a_limit_that_cannot_be_met_is_named_with_the_cheapest_total_and_the_remedy():
    tables = random_tables(np.random.default_rng(0), blocks=4, paths=6, costs=2)
    cheapest = all_combinations(tables)[2].min(axis=0)
    with pytest.raises(InfeasibleError, match='raise the limit') as caught:
        search(tables, limits=[cheapest[0] - 1, np.inf], limit_names=['params', 'madds'])
    assert caught.value.cheapest == {'params': cheapest[0], 'madds': cheapest[1]}
    assert f'params: the cheapest possible is {int(cheapest[0])}, the limit is {int(cheapest[0]) - 1}' in str(
        caught.value)
    assert 'madds' not in str(caught.value)


def test_all_limits_that_cannot_be_met_are_named():
    tables = random_tables(np.random.default_rng(0), blocks=2, paths=3, costs=3)
    with pytest.raises(InfeasibleError, match='limit on a nor the one on c') as caught:
        search(tables, limits=[-1, np.inf, -0.5], limit_names=['a', 'b', 'c'])
    assert 'the limit is -0.5' in str(caught.value)
    assert list(caught.value.cheapest) == ['a', 'b', 'c']


def test_limits_that_can_only_be_met_one_at_a_time_are_said_to_be():
    table = BlockTable(ratings=np.array([0.0, 0.0]), costs=np.array([[[1.0, 9.0], [9.0, 1.0]]]),
                       border=np.array([0, 0]))
    with pytest.raises(InfeasibleError, match='although each limit alone can be met.*raise the limit of at least one'
                       ) as caught:
        search([table], limits=[5, 5])
    assert caught.value.cheapest == {'cost 0': 1.0, 'cost 1': 1.0}


def test_the_cheapest_totals_respect_the_border_states_at_full_size():
    tables = paper_space(rate_at_random(np.random.default_rng(0)))
    tail = np.array([[1e6, 2e6]])
    smallest, _ = extreme_totals(tables, tail)
    with pytest.raises(InfeasibleError) as caught:
        search(tables, limits=smallest - 1, tail_costs=tail, limit_names=['params', 'madds'])
    assert list(caught.value.cheapest.values()) == smallest.tolist()
    for kept in range(2):
        limits = np.where(np.arange(2) == kept, smallest, np.inf)
        assert search(tables, limits=limits, tail_costs=tail).solutions[0].costs[kept] == smallest[kept]


def test_the_edge_of_what_is_jointly_feasible_is_exact():
    tables = random_tables(np.random.default_rng(1), blocks=4, paths=8, costs=2)
    _, _, costs = all_combinations(tables)
    limit = np.quantile(costs[:, 1], 0.02)
    edge = costs[costs[:, 1] <= limit, 0].min()
    assert edge > costs[:, 0].min()
    assert search(tables, limits=[edge, limit]).solutions[0].costs[0] == edge
    with pytest.raises(InfeasibleError, match='all limits at once'):
        search(tables, limits=[edge - 1, limit])
