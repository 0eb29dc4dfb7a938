"""The search against enumeration."""

import dataclasses

import numpy as np
import pytest

from nni_dna.errors import InfeasibleError, NniDnaError, SettingsError
from nni_dna.search import BlockTable, SearchSizeError, combine, dominance, exact, order, search
from nni_dna.search.problem import Problem
from search_instances import all_combinations, brute_force, found, mixed_instance, random_tables, some_limits


def _check_mixed_instances(seed, count):
    rng = np.random.default_rng(seed)
    outcomes = []
    for _ in range(count):
        tables, tail = mixed_instance(rng)
        paths, _, costs = all_combinations(tables, tail)
        if not len(paths):
            with pytest.raises(SettingsError, match='finite rating'):
                search(tables, limits=np.full(costs.shape[1], np.inf), tail_costs=tail)
            outcomes.append('empty')
            continue
        limits, top_k = some_limits(rng, costs), int(rng.choice([1, 2, 3, 10, 100, 10 ** 5]))
        expected = brute_force(tables, limits, top_k, tail)
        if expected:
            result = search(tables, limits=limits, top_k=top_k, tail_costs=tail)
            assert found(result) == expected
            assert result.proven
            assert result.bound <= expected[0][0] + 1e-9 * (1 + abs(expected[0][0]))
            outcomes.append('fewer' if len(expected) < top_k else 'all')
        else:
            with pytest.raises(InfeasibleError) as caught:
                search(tables, limits=limits, top_k=top_k, tail_costs=tail)
            assert list(caught.value.cheapest.values()) == costs.min(axis=0).tolist()
            outcomes.append('infeasible')
    assert set(outcomes) == {'empty', 'fewer', 'all', 'infeasible'}


def test_any_small_instance_gives_what_enumeration_gives():
    _check_mixed_instances(seed=0, count=500)


@pytest.mark.parametrize('cells, sample', [(1, 1), (30, 5), (2 ** 16, 2 ** 12)])
def test_small_chunks_and_early_dominance_change_nothing(monkeypatch, cells, sample):
    monkeypatch.setattr(combine, 'CHUNK', 3)
    monkeypatch.setattr(order, 'COMBINATIONS_MIN', 1)
    monkeypatch.setattr(order, 'PATHS_MIN', 1)
    monkeypatch.setattr(dominance, 'CELLS', cells)
    monkeypatch.setattr(dominance, 'SAMPLE', sample)
    monkeypatch.setattr(exact, 'AIM', 1)
    _check_mixed_instances(seed=cells, count=200)


@pytest.mark.parametrize('decimals', [None, 1, 0])
@pytest.mark.parametrize('costs', [0, 1, 2])
def test_a_million_combinations_give_what_enumeration_gives(decimals, costs):
    rng = np.random.default_rng(costs)
    tables = random_tables(rng, blocks=5, paths=14, costs=costs, states=2, largest=30, decimals=decimals)
    limits = np.full(costs, 60.0)
    for top_k in (1, 50, 2000):
        assert found(search(tables, limits=limits, top_k=top_k)) == brute_force(tables, limits, top_k)


def test_ratings_that_follow_the_costs_give_what_enumeration_gives():
    rng = np.random.default_rng(3)
    tables = [BlockTable(ratings=-table.costs[0, :, 0] / 1000, costs=table.costs[:1].repeat(table.costs.shape[0], 0),
                         border=table.border)
              for table in random_tables(rng, blocks=5, paths=14, costs=1, states=2, largest=1000)]
    for top_k in (1, 100):
        assert found(search(tables, limits=[2345], top_k=top_k)) == brute_force(tables, [2345], top_k)


def test_rounding_errors_of_the_sum_decide_as_in_block_order():
    # 0.1 + 0.2 + 0.3 > 0.3 + 0.2 + 0.1 in float64, so the later tuple wins.
    tables = [BlockTable(ratings=np.array(ratings), costs=np.zeros((1, 2, 0)), border=np.array([0, 0]))
              for ratings in ([0.1, 0.3], [0.2, np.inf], [0.3, 0.1])]
    result = search(tables, limits=[], top_k=4)
    assert result.solutions[1].paths == (1, 0, 1)
    assert result.solutions[2].paths == (0, 0, 0)
    assert result.solutions[1].rating < result.solutions[2].rating
    assert found(result) == brute_force(tables, [], 4)


def test_a_rating_that_vanishes_in_the_sum_leaves_the_order_of_paths():
    tables = [BlockTable(ratings=np.array(ratings), costs=np.zeros((1, 2, 0)), border=np.array([0, 0]))
              for ratings in ([1e-20, 0.0], [1.0, 2.0])]
    result = search(tables, limits=[], top_k=2)
    assert [solution.paths for solution in result.solutions] == [(0, 0), (1, 0)]


def test_a_path_with_nan_or_infinite_rating_is_never_chosen_whatever_it_costs():
    table = BlockTable(ratings=np.array([np.nan, 3.0, np.inf]), border=np.array([0, 1, 0]),
                       costs=np.array([[[np.nan], [5.0], [-np.inf]]]))
    result = search([table], limits=[5], top_k=10)
    assert found(result) == [(3.0, (1,), (5.0,))]


def test_a_total_may_equal_its_limit():
    table = BlockTable(ratings=np.array([0.0, 1.0]), costs=np.array([[[7.0], [6.0]]]), border=np.array([0, 0]))
    assert search([table], limits=[10], tail_costs=np.array([[3.0]])).solutions[0].paths == (0,)
    assert search([table], limits=[9.999], tail_costs=np.array([[3.0]])).solutions[0].paths == (1,)


def test_the_border_state_decides_what_the_next_block_costs():
    first = BlockTable(ratings=np.array([0.0, 0.5]), costs=np.zeros((1, 2, 1)), border=np.array([0, 1]))
    second = BlockTable(ratings=np.array([0.0]), costs=np.array([[[10.0]], [[1.0]]]), border=np.array([0]))
    assert search([first, second], limits=[10]).solutions[0].paths == (0, 0)
    assert search([first, second], limits=[9]).solutions[0].paths == (1, 0)


def test_costs_without_a_limit_are_still_reported():
    table = BlockTable(ratings=np.array([0.0]), costs=np.array([[[7.0, 8.0]]]), border=np.array([0]))
    assert search([table], limits=[np.inf, 8]).solutions[0].costs == (7.0, 8.0)


def test_many_blocks_are_no_problem():
    rng = np.random.default_rng(0)
    tables = random_tables(rng, blocks=40, paths=20, costs=2, largest=10 ** 6)
    result = search(tables, limits=[12e6, 13e6], top_k=20)
    assert len(result.solutions) == 20
    assert result.proven
    assert result.bound <= result.solutions[0].rating


def _problem(limit):
    tables = [BlockTable(ratings=np.array([0.5, np.nan]), costs=np.array([[[7.0], [np.nan]]]), border=np.array([0, 0]))]
    return Problem.of(tables, [limit], np.array([[1.0]]), None)


def _combination(paths=((0,),), rating=0.5):
    return combine.Combinations(paths=np.array(paths), ratings=np.full(len(paths), rating), costs=np.full((1, len(paths)), 8.0),
                                borders=np.zeros(len(paths), dtype=np.int64))


def test_a_solution_is_added_up_again():
    solution, = _problem(8.0).solutions(_combination())
    assert (solution.paths, solution.rating, solution.costs) == ((0,), 0.5, (8.0,))


@pytest.mark.parametrize('combination, message', [
    (_combination(rating=0.4), r'had a rating of 0.4 .* gives Solution.*rating=0.5.*report this as a bug'),
    (_combination(paths=((1,),), rating=np.nan), 'report this as a bug'),
    (_combination(paths=((-1,),)), 'one path for each of 1 blocks; please report this as a bug'),
    (_combination(paths=((2,),)), 'one path for each'),
    (_combination(paths=((0, 0),)), 'one path for each'),
])
def test_a_solution_that_cannot_be_added_up_again_is_an_error(combination, message):
    with pytest.raises(RuntimeError, match=message):
        _problem(8.0).solutions(combination)


def test_a_solution_that_breaks_a_limit_is_an_error():
    problem = dataclasses.replace(_problem(8.0), limits=np.array([7.0]))
    with pytest.raises(RuntimeError, match=r'under the limits \[7.0\].*report this as a bug'):
        problem.solutions(_combination())


def test_solutions_out_of_order_are_an_error():
    Problem.check_order([(0.5, (0,)), (0.5, (1,))])
    with pytest.raises(RuntimeError, match='out of order'):
        Problem.check_order([(0.5, (0,)), (0.5, (0,))])


def test_more_combinations_than_memory_is_meant_for_are_an_error(monkeypatch):
    monkeypatch.setattr(combine, 'COMBINATIONS_MAX', 10)
    monkeypatch.setattr(combine, 'CHUNK', 2)
    tables = random_tables(np.random.default_rng(0), blocks=3, paths=10, costs=1)
    with pytest.raises(SearchSizeError, match='top_k') as caught:
        search(tables, limits=[np.inf], top_k=1000)
    assert isinstance(caught.value, NniDnaError) and isinstance(caught.value, MemoryError)
