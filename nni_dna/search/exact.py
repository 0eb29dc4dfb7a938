"""The exact search for the best architectures under limits.

Implements the search of Li et al., "Blockwisely Supervised Neural Architecture Search with Knowledge Distillation",
CVPR 2020, section 3.4, over all combinations of one path per block::

    alpha* = argmin over alpha of  sum_i lambda_i * L_val(alpha_i)    subject to  cost(alpha) <= limit

as a multiple-choice knapsack whose neighbours interact through the border state. Steps:

1. Find the multipliers that make the Lagrangian bound tight (:mod:`nni_dna.search.multipliers`).
2. Choose a cut-off on the rating under which a moderate number of combinations can lie.
3. Drop the paths that no combination under the cut-off can use, and combine the rest block by block
   (:mod:`nni_dna.search.combine`).
4. If ``top_k`` solutions lie under the cut-off, they are the best ones. Otherwise raise it and go to 3; under the last
   cut-off lies everything.
5. Recompute every solution from the tables.
"""

from __future__ import annotations

import math
from typing import Sequence

import numpy as np
from numpy.typing import NDArray

from nni_dna.search.bounds import Weights, restrict, through
from nni_dna.search.chain import Chain
from nni_dna.search.combine import Combinations, combine
from nni_dna.search.infeasible import infeasible_error
from nni_dna.search.inputs import check_limit_names, check_limits, check_tables, check_tail_costs, check_top_k
from nni_dna.search.multipliers import best_multipliers
from nni_dna.search.result import SearchResult, Solution
from nni_dna.search.slack import slack_for
from nni_dna.search.tables import BlockTable

__all__ = ['search']

# NOTE: the number of combinations that the first cut-off aims at, for one solution, and its growth per round. Only
# times depend on them: a low aim adds rounds, which are cheap at first; a high one makes a round look at too much.
AIM = 1e3
AIM_GROWTH = 8
# NOTE: a partial combination has used more or less than its share of a limit, so the multipliers that bound it best
# differ from the best ones overall; some of those passed on the way to them serve. More take longer to check than
# they save.
MULTIPLIERS = 8


def search(tables: Sequence[BlockTable], *, limits: Sequence[float], top_k: int = 1,
           tail_costs: NDArray[np.float64] | None = None,
           limit_names: Sequence[str] | None = None) -> SearchResult:
    """Find the ``top_k`` best combinations of one path per block that keep the limits.

    The result is exactly what trying all combinations gives: sorted by the sum of the ratings, added in block order
    in float64, then by the tuple of path indices. Deterministic.

    The problem is NP-hard. Time and memory stay small unless the ratings follow the costs so closely that a great
    many combinations are equally good trade-offs and nearly as good as the best.

    Parameters
    ----------
    tables
        The blocks in order. The first has one border state before it, ``B_in = 1``. Paths with a NaN or ``+inf``
        rating are never chosen.
    limits
        Shape ``(C,)``. The largest total allowed of each cost, in that cost's unit; ``inf`` for no limit. A total,
        added in block order, may equal its limit.
    top_k
        How many solutions are wanted, at least 1.
    tail_costs
        Shape ``(B_last, C)``. The costs of what follows the last block, by the border state that it ends in; none by
        default.
    limit_names
        What to call the limits in errors, shape ``(C,)``; by default ``cost 0``, ``cost 1`` and so on.

    Returns
    -------
    SearchResult
        The solutions, fewer than ``top_k`` if fewer exist, and how they were found.

    Raises
    ------
    SettingsError
        If the shapes do not fit each other, a block has no path to choose, or another argument is out of range.
    InfeasibleError
        If no combination keeps the limits; its ``cheapest`` has the smallest possible total of each cost alone.
    MemoryError
        If too many partial combinations are equally good trade-offs; see above.
    RuntimeError
        If a solution does not survive being recomputed from the tables, which would be a bug here.
    """
    check_tables(tables)
    count = tables[0].costs.shape[2]
    maxima, names = check_limits(limits, count), check_limit_names(limit_names, count)
    tail, top_k = check_tail_costs(tail_costs, tables), check_top_k(top_k)

    full = Chain.from_tables(tables, tail, maxima)
    cheapest = full.smallest_totals()
    if (cheapest > maxima).any():
        raise infeasible_error(names, maxima, cheapest)
    chain = full.with_costs(maxima < full.largest_totals())
    bounds = best_multipliers(chain)[:MULTIPLIERS]
    bound = bounds[0][0]
    weights = [Weights(rating=1.0, costs=mu) for _, mu in bounds]
    weights += [Weights(rating=0.0, costs=unit) for unit in np.eye(len(chain.limits))]
    slacks = [totals - totals.min() for totals in through(chain, weights[0])]

    last = float(sum(link.ratings.max() for link in chain.links))
    aim, cutoff, known, rounds, expanded, proven = AIM * math.sqrt(top_k), -math.inf, math.inf, 0, 0, False
    while not proven:
        # Ties can hold any number of combinations, so a larger aim alone may not move the cut-off.
        while (goal := bound + slack_for(slacks, aim)) <= cutoff:
            aim *= AIM_GROWTH
        cutoff = min(goal, known, last)
        found, made = _search_under(chain, weights, cutoff=cutoff, top_k=top_k)
        rounds, expanded = rounds + 1, expanded + made
        if len(found.ratings) == top_k:
            known = min(known, float(found.ratings[-1]))
        proven = known <= cutoff or cutoff == last
    if not len(found.ratings):
        raise infeasible_error(names, maxima, cheapest)
    solutions = tuple(_solution(tables, tail, paths) for paths in found.paths.tolist())
    _verify(solutions, found, maxima)
    return SearchResult(solutions=solutions, proven=proven, cutoff=cutoff, bound=bound, rounds=rounds,
                        expanded=expanded)


def _search_under(chain: Chain, weights: Sequence[Weights], *, cutoff: float, top_k: int) -> tuple[Combinations, int]:
    """Return the best solutions found with a cut-off, at most ``top_k`` in order, and the size of the search."""
    for row in weights:
        chain = restrict(chain, row, cutoff)
    found, made = combine(chain, weights, cutoff=cutoff, top_k=top_k)
    # A stable sort leaves solutions of equal rating in the order of their path indices.
    return found.take(np.argsort(found.ratings, kind='stable')[:top_k]), made


def _solution(tables: Sequence[BlockTable], tail_costs: NDArray[np.float64], paths: Sequence[int]) -> Solution:
    """Add up one combination of paths from the tables."""
    rating, costs, state = 0.0, np.zeros(tail_costs.shape[1]), 0
    for table, path in zip(tables, paths, strict=True):
        rating += float(table.ratings[path])
        costs = costs + table.costs[state, path]
        state = int(table.border[path])
    return Solution(paths=tuple(paths), rating=rating, costs=tuple((costs + tail_costs[state]).tolist()))


def _verify(solutions: Sequence[Solution], found: Combinations, limits: NDArray[np.float64]) -> None:
    """Check recomputed solutions against the limits, the search's own numbers and the promised order."""
    for solution, rating in zip(solutions, found.ratings, strict=True):
        if min(solution.paths) < 0 or solution.rating != rating or (np.array(solution.costs) > limits).any():
            raise RuntimeError(f'The search found {solution} with rating {rating} under the limits {limits.tolist()}, '
                               'but recomputing it from the tables says otherwise; please report this as a bug.')
    keys = [(solution.rating, solution.paths) for solution in solutions]
    if any(first >= second for first, second in zip(keys, keys[1:])):
        raise RuntimeError('The search returned solutions out of order; please report this as a bug.')
