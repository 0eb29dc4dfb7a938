"""The Pareto front against enumeration, against the search, and against other exact methods."""

import numpy as np
import pytest

from nni_dna.errors import InfeasibleError, SettingsError
from nni_dna.search import BlockTable, combine, dominance, order, pareto, pareto_front, search
from search_instances import (MADDS, PARAMS, all_combinations, extreme_totals, mixed_instance, paper_space, random_tables,
                              rate_at_random, rate_by_size, some_limits)
from search_references import milp_rating, plain_front


def _enumerated(tables, cost, limits, tail):
    """Return the front as a list of (rating, paths, costs)."""
    paths, ratings, costs = all_combinations(tables, tail)
    kept = np.flatnonzero((costs <= limits).all(axis=1))
    # A stable sort, so the first tuple of paths is the first among equals.
    kept = kept[np.lexsort([ratings[kept], costs[kept, cost]])]
    front, best = [], np.inf
    for number in kept:
        if ratings[number] < best:
            best = ratings[number]
            front.append((float(best), tuple(paths[number].tolist()), tuple(costs[number].tolist())))
    return front


def _found(front):
    return [(point.rating, point.paths, point.costs) for point in front.points]


def _check_mixed_instances(seed, count):
    rng = np.random.default_rng(seed)
    points = set()
    for _ in range(count):
        tables, tail = mixed_instance(rng)
        _, _, costs = all_combinations(tables, tail)
        if not costs.size:
            continue
        limits, cost = some_limits(rng, costs), int(rng.integers(costs.shape[1]))
        expected = _enumerated(tables, cost, limits, tail)
        if expected:
            assert _found(pareto_front(tables, cost=cost, limits=limits, tail_costs=tail)) == expected
        else:
            with pytest.raises(InfeasibleError) as caught:
                pareto_front(tables, cost=cost, limits=limits, tail_costs=tail)
            assert list(caught.value.cheapest.values()) == costs.min(axis=0).tolist()
        points.add(len(expected))
    assert points >= {0, 1, 2, 3, 4, 5}


def test_any_small_instance_gives_what_enumeration_gives():
    _check_mixed_instances(seed=0, count=500)


@pytest.mark.parametrize('cells, sample', [(1, 1), (30, 5), (2 ** 16, 2 ** 12)])
def test_small_chunks_low_aims_and_early_dominance_change_nothing(monkeypatch, cells, sample):
    monkeypatch.setattr(combine, 'CHUNK', 3)
    monkeypatch.setattr(order, 'COMBINATIONS_MIN', 1)
    monkeypatch.setattr(order, 'PATHS_MIN', 1)
    monkeypatch.setattr(order, 'SORTED_MIN', 1)
    monkeypatch.setattr(dominance, 'CELLS', cells)
    monkeypatch.setattr(dominance, 'SAMPLE', sample)
    monkeypatch.setattr(pareto, 'AIM', 1)
    _check_mixed_instances(seed=cells, count=300)


@pytest.mark.parametrize('decimals', [None, 1, 0])
@pytest.mark.parametrize('costs', [1, 2, 3])
def test_a_million_combinations_give_what_enumeration_gives(decimals, costs):
    tables = random_tables(np.random.default_rng(costs), blocks=5, paths=14, costs=costs, states=2, largest=30, decimals=decimals)
    limits = np.array([np.inf, 70.0, 60.0])[:costs]
    assert _found(pareto_front(tables, cost=0, limits=limits)) == _enumerated(tables, 0, limits, None)


@pytest.mark.parametrize('cost', [0, 1])
def test_every_point_is_what_the_search_finds_first_at_its_cost_and_nothing_lies_between(cost):
    tables = random_tables(np.random.default_rng(3), blocks=6, paths=30, costs=2, largest=1000, decimals=2)
    limits = np.array([1500.0, 1300.0])
    points = pareto_front(tables, cost=cost, limits=limits).points
    assert len(points) > 10
    for point, cheaper in zip(points, (None, *points)):
        limits[cost] = point.costs[cost]
        assert search(tables, limits=limits).solutions == (point,)
        limits[cost] -= 1
        if cheaper is None:
            with pytest.raises(InfeasibleError):
                search(tables, limits=limits)
        else:
            assert search(tables, limits=limits).solutions == (cheaper,)


@pytest.mark.parametrize('costs', [1, 2])
def test_five_blocks_of_forty_paths_give_the_optima_of_mixed_integer_programs(costs):
    tables = random_tables(np.random.default_rng(costs), blocks=5, paths=40, costs=costs, largest=1000)
    smallest, largest = extreme_totals(tables)
    limits = smallest + 0.35 * (largest - smallest)
    points = pareto_front(tables, cost=0, limits=limits).points
    # Whole costs, so a limit one lower leaves the point before.
    for number in np.linspace(0, len(points) - 1, 4).astype(int):
        limits[0] = points[number].costs[0]
        assert milp_rating(tables, limits) == pytest.approx(points[number].rating, abs=1e-6)
        limits[0] -= 1
        below = milp_rating(tables, limits)
        assert below == (pytest.approx(points[number - 1].rating, abs=1e-6) if number else None)


@pytest.mark.parametrize('rate', [rate_at_random, rate_by_size])
def test_the_front_of_the_full_space_is_that_of_a_dynamic_program(rate):
    tables = [BlockTable(ratings=table.ratings, costs=table.costs[:, :, MADDS:], border=table.border)
              for table in paper_space(rate(np.random.default_rng(0)))]
    ratings, costs = plain_front(tables)
    points = pareto_front(tables, cost=0, limits=[np.inf]).points
    assert [point.rating for point in points] == ratings.tolist()
    assert [point.costs[0] for point in points] == costs.tolist()


@pytest.mark.parametrize('rate', [rate_at_random, rate_by_size])
def test_the_front_of_the_full_space_under_a_limit_on_another_cost_has_what_the_search_finds(rate):
    tables = paper_space(rate(np.random.default_rng(1)))
    smallest, largest = extreme_totals(tables)
    limits = smallest + 0.3 * (largest - smallest)
    points = pareto_front(tables, cost=PARAMS, limits=[np.inf, limits[MADDS]]).points
    assert all(point.costs[MADDS] <= limits[MADDS] for point in points)
    for params in np.linspace(points[0].costs[PARAMS], points[-1].costs[PARAMS] + 1, 7):
        expected = [point for point in points if point.costs[PARAMS] <= params][-1]
        assert search(tables, limits=[params, limits[MADDS]]).solutions == (expected,)


def test_a_path_with_nan_or_infinite_rating_is_never_chosen_whatever_it_costs():
    table = BlockTable(ratings=np.array([np.nan, 3.0, np.inf, 2.0]), border=np.array([0, 1, 0, 0]),
                       costs=np.array([[[np.nan], [5.0], [-np.inf], [6.0]]]))
    assert _found(pareto_front([table], cost=0, limits=[np.inf])) == [(3.0, (1,), (5.0,)), (2.0, (3,), (6.0,))]


def test_equal_ratings_leave_the_cheapest_and_of_equal_costs_the_first_tuple():
    table = BlockTable(ratings=np.full(4, 0.1), costs=np.array([[[3.0], [2.0], [2.0], [4.0]]]), border=np.zeros(4, dtype=int))
    assert _found(pareto_front([table, table], cost=0, limits=[np.inf])) == [(0.2, (1, 1), (4.0,))]


def test_a_cost_that_is_always_the_same_leaves_one_point():
    table = BlockTable(ratings=np.array([0.3, 0.2]), costs=np.array([[[1.0, 5.0], [1.0, 6.0]]]), border=np.zeros(2, dtype=int))
    assert _found(pareto_front([table], cost=0, limits=[np.inf, np.inf])) == [(0.2, (1,), (1.0, 6.0))]
    assert _found(pareto_front([table], cost=0, limits=[1, 5])) == [(0.3, (0,), (1.0, 5.0))]


def test_ratings_equal_to_minus_the_cost_give_a_point_for_every_cost():
    tables = random_tables(np.random.default_rng(0), blocks=4, paths=12, costs=1, states=1, largest=10 ** 6)
    tables = [BlockTable(ratings=-table.costs[0, :, 0], costs=table.costs, border=table.border) for table in tables]
    points = pareto_front(tables, cost=0, limits=[np.inf]).points
    assert len(points) == len(np.unique(all_combinations(tables)[2]))


def test_limits_that_can_only_be_met_one_at_a_time_are_an_error():
    table = BlockTable(ratings=np.array([0.0, 0.0]), costs=np.array([[[1.0, 9.0], [9.0, 1.0]]]), border=np.array([0, 0]))
    with pytest.raises(InfeasibleError, match='although each limit alone can be met') as caught:
        pareto_front([table], cost=0, limits=[5, 5], limit_names=['params', 'madds'])
    assert caught.value.cheapest == {'params': 1.0, 'madds': 1.0}


@pytest.mark.parametrize('cost', [-1, 1, 0.0, True, None])
def test_a_cost_that_does_not_exist_is_refused(cost):
    table = BlockTable(ratings=np.zeros(1), costs=np.zeros((1, 1, 1)), border=np.zeros(1, dtype=int))
    with pytest.raises(SettingsError, match='`cost` to be one of the 1 costs, counted from 0, but got'):
        pareto_front([table], cost=cost, limits=[1])
