"""Every combination of paths with a rating up to a cut-off, block by block.

A partial combination is continued only while its lower bounds, one per set of weights, say that a combination worth
keeping can still come of it; where a level grows large, the k-dominated partial combinations go too.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Sequence

import numpy as np
from numpy.typing import NDArray

from nni_dna.search.bounds import ROUNDING, Weights, remaining, threshold
from nni_dna.search.chain import Chain, Link
from nni_dna.search.dominance import undominated

__all__ = ['Partials', 'combine']

# NOTE: continuations are made this many at a time, which bounds the memory and keeps the arrays in the cache.
CHUNK = 2 ** 17
# NOTE: below these sizes, looking for dominated partial combinations, or paths, takes longer than continuing them.
PARTIALS_MIN = 2 ** 14
PATHS_MIN = 2 ** 9


@dataclass(frozen=True, kw_only=True, eq=False)
class Partials:
    """Partial combinations of the first blocks, sorted by their tuples of path indices.

    Parameters
    ----------
    paths
        Shape ``(M, blocks so far)``: the indices of the paths in their tables.
    ratings
        Shape ``(M,)``: sums in block order.
    costs
        Shape ``(C, M)``: sums in block order.
    borders
        Shape ``(M,)``: the border states that they end in.
    """

    paths: NDArray[np.int64]
    ratings: NDArray[np.float64]
    costs: NDArray[np.float64]
    borders: NDArray[np.int64]


@dataclass(frozen=True, kw_only=True, eq=False)
class _Step:
    """One link, prepared for continuing partial combinations under one set of weights each.

    ``ordered[b]`` are the link's paths by ``ending[b]``, their weighted totals to the end of the chain from border
    state ``b``; ``after[state]`` is the weighted total behind the link.
    """

    weights: Weights
    most: float
    after: NDArray[np.float64]
    ordered: NDArray[np.int64]
    ending: NDArray[np.float64]


def combine(chain: Chain, weights: Sequence[Weights], *, cutoff: float, top_k: int) -> tuple[Partials, int]:
    """Combine the paths of all blocks.

    Parameters
    ----------
    chain
        The blocks and the limits, all finite.
    weights
        At least one set of weights to bound the partial combinations with.
    cutoff
        The largest rating of interest; may be infinite.
    top_k
        How many results are wanted.

    Returns
    -------
    Partials
        Complete combinations that keep the limits. All of the ``top_k`` best whose rating is at most ``cutoff`` are
        among them; others may be.
    int
        How many partial combinations were continued or completed.
    """
    after = [remaining(chain, row) for row in weights]
    most = [threshold(chain, row, cutoff) for row in weights]
    # Twice the roundings of a sum, once for each of the two that are compared.
    margin = ROUNDING * (len(chain.links) + 1) * chain.largest_ratings()
    partials = Partials(paths=np.zeros((1, 0), dtype=np.int64), ratings=np.zeros(1),
                        costs=np.zeros((len(chain.limits), 1)), borders=np.zeros(1, dtype=np.int64))
    expanded = 0
    for position, link in enumerate(chain.links):
        useful = _useful(link, top_k=top_k, margin=margin)
        steps = [_prepare(link, useful, row, most[number], after[number][position + 1])
                 for number, row in enumerate(weights)]
        partials, count = _continue(partials, link, steps, top_k=top_k, margin=margin)
        expanded += count
    costs = partials.costs + chain.tail[:, partials.borders]
    keep = (costs <= chain.limits[:, None]).all(axis=0)
    return Partials(paths=partials.paths[keep], ratings=partials.ratings[keep], costs=costs[:, keep],
                    borders=partials.borders[keep]), expanded


def _useful(link: Link, *, top_k: int, margin: float) -> NDArray[np.bool_]:
    """Mark, shape ``(B_in, P)``, the paths of a link that are not known to be dominated behind each border state."""
    if len(link.index) < PATHS_MIN:
        return np.ones(link.costs.shape[1:], dtype=bool)
    return np.stack([undominated(link.ratings, link.costs[:, state], link.border, top_k=top_k, margin=margin)
                     for state in range(link.costs.shape[1])])


def _prepare(link: Link, useful: NDArray[np.bool_], weights: Weights, most: float, after: NDArray[np.float64]) -> _Step:
    # Infinite totals are behind every finite room and never reached.
    ending = np.where(useful, weights.of(link) + after[link.border], np.inf)
    ordered = ending.argsort(axis=1)
    return _Step(weights=weights, most=most, after=after, ordered=ordered,
                 ending=np.take_along_axis(ending, ordered, axis=1))


def _continue(partials: Partials, link: Link, steps: Sequence[_Step], *, top_k: int, margin: float
              ) -> tuple[Partials, int]:
    """Continue every partial combination with every path of a link that the bounds allow."""
    counts = np.stack([_count(partials, step) for step in steps])
    # The weights that leave the fewest continuations enumerate them, the others only check them.
    leading = int(counts.sum(axis=1).argmin())
    checks = [step for number, step in enumerate(steps) if number != leading]
    count, upto = counts[leading], np.concatenate([[0], counts[leading].cumsum()])
    found, held, room, start = [np.zeros(0, dtype=np.int64)], 0, 8 * CHUNK, 0
    while start < len(count):
        stop = max(start + 1, int(np.searchsorted(upto, upto[start] + CHUNK, side='right')) - 1)
        parents = np.repeat(np.arange(start, stop), count[start:stop])
        nth = np.arange(upto[start], upto[stop]) - upto[parents]
        choices = steps[leading].ordered[partials.borders[parents], nth]
        found.append(_check(partials, link, parents * len(link.index) + choices, checks))
        held += len(found[-1])
        if held > room:
            found = [_thin(partials, link, np.concatenate(found), top_k=top_k, margin=margin)]
            held = len(found[0])
            room = max(room, 2 * held)
        start = stop
    codes = _thin(partials, link, np.concatenate(found), top_k=top_k, margin=margin)
    parents, choices = np.divmod(codes, len(link.index))
    ratings, costs, borders = _extend(partials, link, codes)
    paths = np.column_stack([partials.paths[parents], link.index[choices]])
    return Partials(paths=paths, ratings=ratings, costs=costs, borders=borders), int(upto[-1])


def _count(partials: Partials, step: _Step) -> NDArray[np.int64]:
    """Count, shape ``(M,)``, the continuations of each partial combination that one set of weights allows."""
    room = step.most - step.weights.rating * partials.ratings - step.weights.costs @ partials.costs
    count = np.zeros(len(room), dtype=np.int64)
    for border, ending in enumerate(step.ending):
        here = partials.borders == border
        count[here] = np.searchsorted(ending, room[here], side='right')
    return count


def _extend(partials: Partials, link: Link, codes: NDArray[np.int64]
            ) -> tuple[NDArray[np.float64], NDArray[np.float64], NDArray[np.int64]]:
    """Return ratings, costs and borders of continuations, each given as ``parent * P + choice``."""
    parents, choices = np.divmod(codes, len(link.index))
    ratings = partials.ratings[parents] + link.ratings[choices]
    costs = partials.costs[:, parents] + link.costs[:, partials.borders[parents], choices]
    return ratings, costs, link.border[choices]


def _check(partials: Partials, link: Link, codes: NDArray[np.int64], steps: Sequence[_Step]) -> NDArray[np.int64]:
    """Return the continuations that the bounds of all steps allow."""
    ratings, costs, borders = _extend(partials, link, codes)
    for step in steps:
        totals = step.weights.rating * ratings + step.weights.costs @ costs + step.after[borders]
        keep = totals <= step.most
        codes, ratings, costs, borders = codes[keep], ratings[keep], costs[:, keep], borders[keep]
    return codes


def _thin(partials: Partials, link: Link, codes: NDArray[np.int64], *, top_k: int, margin: float
          ) -> NDArray[np.int64]:
    """Sort continuations by their tuples of paths and, if they are many, drop the dominated ones."""
    codes = np.sort(codes)
    if len(codes) < PARTIALS_MIN:
        return codes
    ratings, costs, borders = _extend(partials, link, codes)
    return codes[undominated(ratings, costs, borders, top_k=top_k, margin=margin)]
