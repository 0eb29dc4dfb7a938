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

from nni_dna.search.inputs import check_top_k
from nni_dna.search.problem import Problem
from nni_dna.search.result import SearchResult
from nni_dna.search.rounds import relax, search_under
from nni_dna.search.tables import BlockTable

__all__ = ['search']

# NOTE: the number of combinations that the first cut-off aims at, for one solution. Only times depend on it: a low aim
# adds rounds, which are cheap at first; a high one makes a round look at too much.
AIM = 1e3


def search(tables: Sequence[BlockTable], *, limits: Sequence[float], top_k: int = 1,
           tail_costs: NDArray[np.float64] | None = None,
           limit_names: Sequence[str] | None = None, peaks: Sequence[int] = ()) -> SearchResult:
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
    peaks
        Which costs, as indices into the last axis of the tables' costs, have the largest over the blocks and what follows them
        as their total, and not the sum; none by default.

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
    SearchSizeError
        If too many partial combinations are equally good trade-offs; see above.
    RuntimeError
        If a solution does not survive being recomputed from the tables, which would be a bug here.
    """
    problem, top_k = Problem.of(tables, limits, tail_costs, limit_names, peaks), check_top_k(top_k)
    chain = problem.chain.with_costs(problem.chain.limits < problem.dearest)
    relaxed = relax(chain)
    last = chain.largest_rating()
    aim, cutoff, known, rounds, expanded, proven = AIM * math.sqrt(top_k), -math.inf, math.inf, 0, 0, False
    while not proven:
        cutoff, aim = relaxed.cutoff_above(cutoff, aim)
        cutoff = min(cutoff, known, last)
        found, made = search_under(chain, relaxed.weights, cutoff=cutoff, top_k=top_k)
        # A stable sort leaves solutions of equal rating in the order of their path indices.
        found = found.take(np.argsort(found.ratings, kind='stable')[:top_k])
        rounds, expanded = rounds + 1, expanded + made
        if len(found.ratings) == top_k:
            known = min(known, float(found.ratings[-1]))
        proven = known <= cutoff or cutoff == last
    if not len(found.ratings):
        raise problem.infeasible()
    solutions = problem.solutions(found)
    problem.check_order([(solution.rating, solution.paths) for solution in solutions])
    return SearchResult(solutions=solutions, proven=proven, cutoff=cutoff, bound=relaxed.bound, rounds=rounds,
                        expanded=expanded)
