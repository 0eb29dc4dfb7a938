"""The exact Pareto front of the rating and one cost, under limits on any costs.

The objective and the space are those of :func:`nni_dna.search.search`. Where no other cost can exceed its limit, all
non-dominated partial combinations per border state are combined block by block. Otherwise there are too many of those, and
the front is cut off piece by piece, from its best rating to its lowest cost (the epsilon-constraint method):

1. Under the present limit on the cost, choose a cut-off on the rating and find all of the front up to it.
2. If that is nothing, raise the cut-off. Otherwise lower the limit to just under the lowest cost found: what is left of the
   front is cheaper, since its ratings are worse.
3. Go on until the last cut-off, under which lies everything, or a limit lower than every total.
"""

from __future__ import annotations

import math
from dataclasses import replace
from typing import Sequence

import numpy as np
from numpy.typing import NDArray

from nni_dna.errors import InfeasibleError
from nni_dna.search.chain import Chain
from nni_dna.search.combine import Combinations
from nni_dna.search.exact import search
from nni_dna.search.inputs import check_cost
from nni_dna.search.order import Order
from nni_dna.search.problem import Problem
from nni_dna.search.result import ParetoFront, Solution
from nni_dna.search.rounds import keeping_limits, relax, search_under
from nni_dna.search.tables import BlockTable

__all__ = ['pareto_front']

# NOTE: how many combinations a cut-off aims at. Only times depend on it: fewer take more rounds, more take longer each.
AIM = 1e4


def pareto_front(tables: Sequence[BlockTable], *, cost: int, limits: Sequence[float],
                 tail_costs: NDArray[np.float64] | None = None,
                 limit_names: Sequence[str] | None = None, peaks: Sequence[int] = ()) -> ParetoFront:
    """Find all best trade-offs between the rating and one cost that keep the limits.

    The result is exactly what trying all combinations gives. Each point is what :func:`nni_dna.search.search` finds first if
    the limit on the cost is the point's own: of all combinations of that rating and cost, the first tuple of path indices.
    Deterministic.

    Time and memory grow with the number of points, which is small (hundreds over 1e17 combinations) unless the ratings
    follow the costs closely.

    Parameters
    ----------
    tables
        The blocks in order, as for :func:`nni_dna.search.search`.
    cost
        Which cost: an index into the last axis of the tables' costs.
    limits
        Shape ``(C,)``. The largest total allowed of each cost, that one included; ``inf`` for no limit.
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
    ParetoFront
        At least one point.

    Raises
    ------
    SettingsError
        If the shapes do not fit each other, a block has no path to choose, or another argument is out of range.
    InfeasibleError
        If no combination keeps the limits; its ``cheapest`` has the smallest possible total of each cost alone.
    SearchSizeError
        If too many partial combinations are equally good trade-offs; see above.
    RuntimeError
        If a point does not survive being recomputed from the tables, which would be a bug here.
    """
    problem = Problem.of(tables, limits, tail_costs, limit_names, peaks)
    cost = check_cost(cost, len(problem.limits))
    if problem.peaks[cost]:
        return _front_of_peaks(tables, cost, problem, peaks)
    counting = problem.chain.limits < problem.dearest
    counting[cost] = True
    row = int(counting[:cost].sum())
    chain = replace(problem.chain, limits=np.minimum(problem.chain.limits, problem.dearest)).with_costs(counting)
    chain = _without_dominated(chain, row)
    pieces, rounds, expanded = _whole(chain, row) if len(chain.limits) == 1 else _pieces(chain, row)
    if not pieces:
        raise problem.infeasible()
    points = problem.solutions(Combinations.concatenate(pieces))[::-1]
    problem.check_order([(point.costs[cost], -point.rating) for point in points])
    problem.check_order([(-point.rating,) for point in points])
    return ParetoFront(points=points, cost=cost, rounds=rounds, expanded=expanded)


def _front_of_peaks(tables: Sequence[BlockTable], cost: int, problem: Problem, peaks: Sequence[int]) -> ParetoFront:
    """Find the front by one search a point: a largest part takes few different values."""
    limits, rounds, expanded = problem.limits.tolist(), 0, 0
    points: list[Solution] = []
    while limits[cost] >= problem.cheapest[cost]:
        try:
            result = search(tables, limits=limits, tail_costs=problem.tail, limit_names=problem.names, peaks=peaks)
        except InfeasibleError:
            if not points:
                raise
            break
        rounds, expanded = rounds + result.rounds, expanded + result.expanded
        if points and points[-1].rating == result.solutions[0].rating:
            points.pop()
        points.append(result.solutions[0])
        limits[cost] = math.nextafter(points[-1].costs[cost], -math.inf)
    return ParetoFront(points=tuple(points[::-1]), cost=cost, rounds=rounds, expanded=expanded)


def _without_dominated(chain: Chain, row: int) -> Chain:
    """Return the chain without the paths that are dominated whatever border state is before them."""
    order = Order.of(chain, top_k=1, front=row)
    return chain.with_links([link.take(np.any(order.useful(link), axis=0)) for link in chain.links])


def _whole(chain: Chain, row: int) -> tuple[list[Combinations], int, int]:
    """Find the front in one go: of one cost, few partial combinations are not dominated."""
    found, made = search_under(chain, keeping_limits(chain), cutoff=chain.largest_rating(), top_k=1, front=row)
    return [_front(found, row)], 1, made


def _pieces(chain: Chain, row: int) -> tuple[list[Combinations], int, int]:
    """Find the front piece by piece, each in order of worse ratings and lower costs; see the module."""
    limits, cheapest, last = chain.limits.copy(), chain.smallest_totals()[row], chain.largest_rating()
    pieces: list[Combinations] = []
    cutoff, rounds, expanded = -math.inf, 0, 0
    while limits[row] >= cheapest and cutoff < last:
        part = replace(chain, limits=limits.copy())
        relaxed = relax(part)
        aim, known = AIM, math.inf
        while True:
            cutoff, aim = relaxed.cutoff_above(cutoff, aim)
            cutoff = min(cutoff, known, last)
            found, made = search_under(part, relaxed.weights, cutoff=cutoff, top_k=1, front=row)
            rounds, expanded = rounds + 1, expanded + made
            known = min(known, float(found.ratings.min(initial=math.inf)))
            if known <= cutoff or cutoff == last:
                break
        found = _front(found.take(found.ratings <= cutoff), row)
        if not len(found.ratings):
            break
        pieces.append(found)
        limits[row] = np.nextafter(found.costs[row, -1], -math.inf)
    return pieces, rounds, expanded


def _front(found: Combinations, row: int) -> Combinations:
    """Return the front of some combinations in order of worse ratings and lower costs."""
    # A stable sort leaves the first tuple of paths first among equals.
    found = found.take(np.lexsort([found.costs[row], found.ratings]))
    cheaper = np.ones(len(found.ratings), dtype=bool)
    cheaper[1:] = found.costs[row, 1:] < np.minimum.accumulate(found.costs[row])[:-1]
    return found.take(cheaper)
