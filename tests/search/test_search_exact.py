"""The search against enumeration."""

import numpy as np
import pytest

from nni_dna.errors import InfeasibleError, SettingsError
from nni_dna.search import BlockTable, combine, dominance, exact, search
from search_instances import all_combinations, brute_force, found, random_tables


def _mixed_instance(rng):
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


def _limits(rng, costs):
    """Some of the totals that exist, none, or anything around them."""
    limits = []
    for totals in costs.T:
        low, high = totals.min(), totals.max()
        limits.append(rng.choice([np.inf, rng.choice(totals), rng.choice(totals),
                                  rng.uniform(low - 0.05 * (high - low), high)]))
    return np.array(limits)


def _check_mixed_instances(seed, count):
    rng = np.random.default_rng(seed)
    outcomes = []
    for _ in range(count):
        tables, tail = _mixed_instance(rng)
        paths, _, costs = all_combinations(tables, tail)
        if not len(paths):
            with pytest.raises(SettingsError, match='finite rating'):
                search(tables, limits=np.full(costs.shape[1], np.inf), tail_costs=tail)
            outcomes.append('empty')
            continue
        limits, top_k = _limits(rng, costs), int(rng.choice([1, 2, 3, 10, 100, 10 ** 5]))
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
    monkeypatch.setattr(combine, 'COMBINATIONS_MIN', 1)
    monkeypatch.setattr(combine, 'PATHS_MIN', 1)
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


def test_a_solution_that_cannot_be_recomputed_is_an_error():
    table = BlockTable(ratings=np.array([0.5]), costs=np.array([[[7.0]]]), border=np.array([0]))
    solutions = search([table], limits=[7]).solutions
    combinations = combine.Combinations(paths=np.array([[0]]), ratings=np.array([0.5]), costs=np.array([[7.0]]),
                                        borders=np.array([0]))
    exact._verify(solutions, combinations, np.array([7.0]))
    with pytest.raises(RuntimeError, match='report this as a bug'):
        exact._verify(solutions, combinations, np.array([6.0]))
    with pytest.raises(RuntimeError, match='out of order'):
        exact._verify(solutions * 2, combinations.take(np.array([0, 0])), np.array([7.0]))


def test_more_combinations_than_memory_is_meant_for_are_an_error(monkeypatch):
    monkeypatch.setattr(combine, 'COMBINATIONS_MAX', 10)
    monkeypatch.setattr(combine, 'CHUNK', 2)
    tables = random_tables(np.random.default_rng(0), blocks=3, paths=10, costs=1)
    with pytest.raises(MemoryError, match='top_k'):
        search(tables, limits=[np.inf], top_k=1000)
