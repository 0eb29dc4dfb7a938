"""Costs of which the largest part counts, against trying all combinations."""

import numpy as np
import pytest
from search_instances import all_combinations, mixed_instance, paper_space, rate_at_random, some_limits

from nni_dna.errors import InfeasibleError, SettingsError
from nni_dna.search import BlockTable, pareto_front, search


def totals(tables, tail, peaks):
    """All combinations: paths, ratings, and costs (M, C), each joined as a loop over the parts says."""
    paths, ratings, costs = all_combinations(tables, tail)
    for row, combination in enumerate(paths):
        state, parts = 0, []
        for table, path in zip(tables, combination):
            parts.append(table.costs[state, path])
            state = table.border[path]
        parts.append(tail[state])
        costs[row, peaks] = np.max(parts, axis=0)[peaks]
    return paths, ratings, costs


def instance(rng):
    """A small instance some of whose costs are peaks, limits, and all its combinations."""
    while True:
        tables, tail = mixed_instance(rng)
        count = tables[0].costs.shape[2]
        few = np.prod([len(table.ratings) for table in tables]) < 300
        if count and few and all(np.isfinite(table.ratings).any() for table in tables):
            tail = np.zeros((max(table.border.max() for table in tables) + 1, count)) if tail is None else tail
            peaks = [cost for cost in range(count) if rng.random() < 0.6]
            paths, ratings, costs = totals(tables, tail, peaks)
            return tables, tail, peaks, some_limits(rng, costs), paths, ratings, costs


def test_the_best_under_limits_on_sums_and_on_largest_parts_are_those_of_enumeration():
    feasible = 0
    for seed in range(400):
        rng = np.random.default_rng(seed)
        tables, tail, peaks, limits, paths, ratings, costs = instance(rng)
        kept = np.flatnonzero((costs <= limits).all(axis=1))
        if not len(kept):
            with pytest.raises(InfeasibleError) as caught:
                search(tables, limits=limits, tail_costs=tail, peaks=peaks)
            assert list(caught.value.cheapest.values()) == costs.min(axis=0).tolist()
            continue
        feasible += 1
        best = kept[np.argsort(ratings[kept], kind='stable')][:3]
        result = search(tables, limits=limits, tail_costs=tail, peaks=peaks, top_k=3)
        assert [(solution.rating, solution.paths, solution.costs) for solution in result.solutions] == list(zip(
            ratings[best].tolist(), map(tuple, paths[best].tolist()), map(tuple, costs[best].tolist())))
    assert 100 < feasible < 390


def test_every_front_is_that_of_enumeration_whichever_kind_its_cost_and_its_limits_are():
    for seed in range(200):
        rng = np.random.default_rng(seed)
        tables, tail, peaks, limits, paths, ratings, costs = instance(rng)
        kept = np.flatnonzero((costs <= limits).all(axis=1))
        cost = int(rng.integers(costs.shape[1]))
        if not len(kept):
            with pytest.raises(InfeasibleError):
                pareto_front(tables, cost=cost, limits=limits, tail_costs=tail, peaks=peaks)
            continue
        expected, least = [], np.inf
        for index in kept[np.lexsort([kept, costs[kept, cost], ratings[kept]])]:
            if costs[index, cost] < least:
                least = costs[index, cost]
                expected.append((ratings[index], tuple(paths[index].tolist()), tuple(costs[index].tolist())))
        front = pareto_front(tables, cost=cost, limits=limits, tail_costs=tail, peaks=peaks)
        assert [(point.rating, point.paths, point.costs) for point in front.points] == expected[::-1]


def test_a_limit_on_the_largest_part_is_exact_over_the_papers_space():
    rng = np.random.default_rng(0)
    tables = []
    for table in paper_space(rate_at_random(rng)):
        peak = rng.integers(1, 1000, (*table.costs.shape[:2], 1))
        tables.append(BlockTable(ratings=table.ratings, costs=np.concatenate([table.costs, peak], axis=2), border=table.border))
    for most in (400, 800):
        limits = [4.2e6, 350e6, most]
        result = search(tables, limits=limits, peaks=[2], top_k=20)
        # the same without the paths that exceed it behind every width, and behind some by a limit on their number
        counted = [BlockTable(ratings=table.ratings, border=table.border,
                              costs=np.concatenate([table.costs[..., :2], table.costs[..., 2:] > most], axis=2))
                   for table in tables]
        reference = search(counted, limits=[*limits[:2], 0], top_k=20)
        assert [solution.paths for solution in result.solutions] == [solution.paths for solution in reference.solutions]
        assert max(solution.costs[2] for solution in result.solutions) <= most


def test_a_largest_part_that_cannot_be_kept_is_named_with_the_cheapest():
    table = BlockTable(ratings=np.zeros(2), costs=np.array([[[5., 1.], [3., 9.]]]), border=np.zeros(2, dtype=int))
    with pytest.raises(InfeasibleError, match='limit on memory .*the cheapest possible is 3, the limit is 2') as caught:
        search([table], limits=[2, np.inf], limit_names=['memory', 'madds'], peaks=[0])
    assert caught.value.cheapest == {'memory': 3, 'madds': 1}
    with pytest.raises(InfeasibleError, match='all limits at once'):
        search([table], limits=[4, 4], limit_names=['memory', 'madds'], peaks=[0, 1])


@pytest.mark.parametrize('peaks', [[1], [-1], [0.0], [True]])
def test_a_peak_that_does_not_exist_is_refused(peaks):
    table = BlockTable(ratings=np.zeros(1), costs=np.zeros((1, 1, 1)), border=np.zeros(1, dtype=int))
    with pytest.raises(SettingsError, match='`peaks` to hold some of the 1 costs'):
        search([table], limits=[1], peaks=peaks)
