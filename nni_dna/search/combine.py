"""Every combination of paths with a rating up to a cut-off, block by block.

A partial combination is continued only while its lower bounds, one per set of weights, say that a combination worth
keeping can still come of it; where a level grows large, the k-dominated partial combinations go too.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Sequence

import numpy as np
from numpy.typing import NDArray

from nni_dna.search.bounds import Weights, remaining, threshold
from nni_dna.search.chain import Chain, Link
from nni_dna.search.order import Order
from nni_dna.search.size import SearchSizeError

__all__ = ['Combinations', 'combine']

# NOTE: continuations are made this many at a time, which bounds the memory and keeps the arrays in the cache.
CHUNK = 2 ** 17
# NOTE: a level of this size takes up to 1 GB. Instances of practical interest stay a hundred times smaller.
COMBINATIONS_MAX = 2 ** 21


@dataclass(frozen=True, kw_only=True, eq=False)
class Combinations:
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

    def take(self, which: NDArray[np.int64] | NDArray[np.bool_]) -> Combinations:
        """Return the combinations at the indices, or of the mask, ``which``."""
        return Combinations(paths=self.paths[which], ratings=self.ratings[which], costs=self.costs[:, which],
                            borders=self.borders[which])

    @classmethod
    def concatenate(cls, parts: Sequence[Combinations]) -> Combinations:
        """Return the combinations of all parts, at least one, one part after another."""
        return cls(paths=np.concatenate([part.paths for part in parts]),
                   ratings=np.concatenate([part.ratings for part in parts]),
                   costs=np.concatenate([part.costs for part in parts], axis=1),
                   borders=np.concatenate([part.borders for part in parts]))


@dataclass(frozen=True, kw_only=True, eq=False)
class _Step:
    """One link, prepared for continuing partial combinations under one set of weights.

    ``most`` is the weighted total that none may exceed and ``after[state]`` the smallest one behind the link;
    ``ordered[b]`` are the link's paths in ascending order of ``ending[b]``, their own weighted total behind border
    state ``b`` plus the one after it.
    """

    weights: Weights
    most: float
    after: NDArray[np.float64]
    ordered: NDArray[np.int64]
    ending: NDArray[np.float64]


def combine(chain: Chain, weights: Sequence[Weights], *, cutoff: float, top_k: int, front: int | None = None
            ) -> tuple[Combinations, int]:
    """Combine the paths of all blocks.

    Parameters
    ----------
    chain
        The blocks and the limits, all finite.
    weights
        At least one set of weights to bound the partial combinations with.
    cutoff
        The largest rating of interest, finite.
    top_k
        How many results are wanted; 1 for a front.
    front
        The cost whose Pareto front with the rating is wanted, an index into the chain's costs; None for the best ratings.

    Returns
    -------
    Combinations
        Complete combinations that keep the limits. All of the ``top_k`` best, or of the front, whose rating is at most
        ``cutoff`` are among them; others may be.
    int
        How many continuations were made on the way.

    Raises
    ------
    SearchSizeError
        If there are more partial combinations that neither the bounds nor dominance drop than memory is meant for.
    """
    bounds = [(row, threshold(chain, row, cutoff), remaining(chain, row)) for row in weights]
    order = Order.of(chain, top_k=top_k, front=front)
    found = Combinations(paths=np.zeros((1, 0), dtype=np.int64), ratings=np.zeros(1),
                         costs=np.zeros((len(chain.limits), 1)), borders=np.zeros(1, dtype=np.int64))
    made = 0
    for position, link in enumerate(chain.links):
        useful = order.useful(link)
        steps = [_prepare(link, useful, row, most, after[position + 1]) for row, most, after in bounds]
        found, count = _continue(found, link, steps, order)
        made += count
    found = replace(found, costs=found.costs + chain.tail[:, found.borders])
    return found.take(np.all(found.costs <= chain.limits[:, None], axis=0)), made


def _prepare(link: Link, useful: NDArray[np.bool_], weights: Weights, most: float, after: NDArray[np.float64]) -> _Step:
    # Infinite totals are behind every finite room and never reached.
    ending = np.where(useful, weights.of(link.ratings, link.costs) + after[link.border], np.inf)
    ordered = ending.argsort(axis=1)
    return _Step(weights=weights, most=most, after=after, ordered=ordered,
                 ending=np.take_along_axis(ending, ordered, axis=1))


def _continue(partials: Combinations, link: Link, steps: Sequence[_Step], order: Order
              ) -> tuple[Combinations, int]:
    """Continue every partial combination with every path of a link that the bounds allow."""
    # The weights that leave the fewest continuations enumerate them, the others only check them.
    leading, counts = min(((step, _count(partials, step)) for step in steps), key=lambda pair: int(pair[1].sum()))
    checks = [step for step in steps if step is not leading]
    upto = np.concatenate([[0], counts.cumsum()])
    found, held, room, start = [np.zeros(0, dtype=np.int64)], 0, 8 * CHUNK, 0
    while start < len(counts):
        stop = max(start + 1, int(np.searchsorted(upto, upto[start] + CHUNK, side='right')) - 1)
        parents = np.repeat(np.arange(start, stop), counts[start:stop])
        nth = np.arange(upto[start], upto[stop]) - upto[parents]
        choices = leading.ordered[partials.borders[parents], nth]
        found.append(_check(partials, link, parents * len(link.index) + choices, checks))
        held += len(found[-1])
        if held > room:
            found = [_thin(partials, link, np.concatenate(found), order)]
            held = len(found[0])
            room = max(room, 2 * held)
            if held > COMBINATIONS_MAX:
                raise SearchSizeError(f'More than {COMBINATIONS_MAX} partial combinations are equally good trade-offs, because '
                                      'the ratings follow the costs too closely; drop or lower a limit, ask for fewer '
                                      'solutions with `top_k`, or give the costs in coarser units.')
        start = stop
    codes = _thin(partials, link, np.concatenate(found), order)
    parents, choices = np.divmod(codes, len(link.index))
    ratings, costs, borders = _extend(partials, link, codes)
    paths = np.column_stack([partials.paths[parents], link.index[choices]])
    return Combinations(paths=paths, ratings=ratings, costs=costs, borders=borders), int(upto[-1])


def _count(partials: Combinations, step: _Step) -> NDArray[np.int64]:
    """Count, shape ``(M,)``, the continuations of each partial combination that one set of weights allows."""
    room = step.most - step.weights.of(partials.ratings, partials.costs)
    counts = np.zeros(len(room), dtype=np.int64)
    for border, ending in enumerate(step.ending):
        here = partials.borders == border
        counts[here] = np.searchsorted(ending, room[here], side='right')
    return counts


def _extend(partials: Combinations, link: Link, codes: NDArray[np.int64]
            ) -> tuple[NDArray[np.float64], NDArray[np.float64], NDArray[np.int64]]:
    """Return ratings, costs and borders of continuations, each given as ``parent * P + choice``."""
    parents, choices = np.divmod(codes, len(link.index))
    ratings = partials.ratings[parents] + link.ratings[choices]
    costs = partials.costs[:, parents] + link.costs[:, partials.borders[parents], choices]
    return ratings, costs, link.border[choices]


def _check(partials: Combinations, link: Link, codes: NDArray[np.int64], steps: Sequence[_Step]) -> NDArray[np.int64]:
    """Return the continuations that the bounds of all steps allow."""
    ratings, costs, borders = _extend(partials, link, codes)
    for step in steps:
        totals = step.weights.of(ratings, costs) + step.after[borders]
        keep = totals <= step.most
        codes, ratings, costs, borders = codes[keep], ratings[keep], costs[:, keep], borders[keep]
    return codes


def _thin(partials: Combinations, link: Link, codes: NDArray[np.int64], order: Order) -> NDArray[np.int64]:
    """Sort continuations by their tuples of paths and drop the dominated ones, if there are many."""
    codes = np.sort(codes)
    return codes[order.left(*_extend(partials, link, codes))]
