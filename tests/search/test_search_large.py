"""The search against other exact methods where enumeration is out of reach."""

import numpy as np
import pytest

from nni_dna.search import BlockTable, SearchSizeError, combine, pareto_front, search
from search_instances import MADDS, extreme_totals, paper_space, random_tables, rate_at_random, rate_by_size
from search_references import milp_rating, plain_front, without_dominated


def _limits(tables, share):
    smallest, largest = extreme_totals(tables)
    return smallest + share * (largest - smallest)


@pytest.mark.parametrize('costs', [1, 2, 3])
@pytest.mark.parametrize('share', [0.15, 0.35])
def test_five_blocks_of_forty_paths_give_the_optimum_of_a_mixed_integer_program(costs, share):
    tables = random_tables(np.random.default_rng(costs), blocks=5, paths=40, costs=costs, largest=1000)
    limits = _limits(tables, share)
    assert search(tables, limits=limits).solutions[0].rating == pytest.approx(milp_rating(tables, limits), abs=1e-6)


@pytest.mark.parametrize('rate', [rate_at_random, rate_by_size])
@pytest.mark.parametrize('share', [0.2, 0.5])
def test_the_full_space_gives_the_optimum_of_a_dynamic_program(rate, share):
    tables = [BlockTable(ratings=table.ratings, costs=table.costs[:, :, MADDS:], border=table.border)
              for table in paper_space(rate(np.random.default_rng(0)))]
    limits = _limits(tables, share)
    ratings, costs = plain_front(tables)
    assert search(tables, limits=limits).solutions[0].rating == ratings[costs <= limits[0]].min()


@pytest.mark.parametrize('rate', [rate_at_random, rate_by_size])
def test_the_full_space_under_two_limits_gives_the_optimum_of_a_mixed_integer_program(rate):
    tables = paper_space(rate(np.random.default_rng(0)))
    limits = _limits(tables, 0.3)
    expected = milp_rating([without_dominated(table) for table in tables], limits)
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


def test_ratings_equal_to_minus_a_cost_outgrow_the_memory_with_an_error_that_says_so(monkeypatch):
    # Then every partial combination is as good a trade-off as any other; the true size takes longer to reach.
    monkeypatch.setattr(combine, 'COMBINATIONS_MAX', 2 ** 13)
    monkeypatch.setattr(combine, 'CHUNK', 2 ** 11)
    tables = paper_space(lambda costs: -costs[:, MADDS])
    limits = _limits(tables, 0.3)
    for run in (search, lambda tables, limits: pareto_front(tables, cost=MADDS, limits=limits)):
        with pytest.raises(SearchSizeError, match='More than 8192 partial combinations.*coarser units'):
            run(tables, limits=limits)
