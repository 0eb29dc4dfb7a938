"""k-dominance: which partial combinations can be dropped because enough others do better whatever follows.

Two partial combinations of the same blocks that end in the same border state can be continued in the same ways. If one
has no larger cost of any kind and comes first in the order of results, all its continuations do. A partial combination
with ``k`` such rivals cannot be part of the ``k`` best.
"""

from __future__ import annotations

from typing import Sequence

import numpy as np
from numpy.typing import NDArray

__all__ = ['undominated']

# NOTE: the rivals are counted on a grid whose cells must all be visited, and a pass repeats while it pays; a finer grid
# drops more in one pass but takes longer than two passes on a coarse one.
CELLS = 2 ** 16
CELLS_PER_CANDIDATE = 32
PROGRESS = 0.9
# NOTE: rivals of exactly the same rating are counted one rating at a time, which only pays for large groups.
GROUP_MIN = 64
GROUPS_MAX = 256


def undominated(ratings: NDArray[np.float64], costs: NDArray[np.float64], borders: NDArray[np.int64], *,
                top_k: int, margin: float) -> NDArray[np.bool_]:
    """Mark the partial combinations that fewer than ``top_k`` others are known to dominate.

    The candidates stand in the order that decides where total ratings are equal. The rivals are counted from below, so
    a dominated candidate may stay, but none that matters goes.

    Parameters
    ----------
    ratings
        Shape ``(M,)``; smaller is better.
    costs
        Shape ``(C, M)``; smaller is better.
    borders
        Shape ``(M,)``. Only candidates with equal values are compared.
    top_k
        How many results are wanted.
    margin
        Ratings that differ by more than this still differ after adding any continuation, in spite of rounding.

    Returns
    -------
    numpy.ndarray
        Shape ``(M,)``, bool.
    """
    left = np.arange(len(ratings))
    while True:
        keep = _thinned(ratings[left], costs[:, left], borders[left], top_k=top_k, margin=margin)
        # The grid follows the candidates that are left, so it grows finer where it matters.
        finished = keep.sum() > PROGRESS * len(left)
        left = left[keep]
        if finished or not len(left):
            mask = np.zeros(len(ratings), dtype=bool)
            mask[left] = True
            return mask


def _thinned(ratings: NDArray[np.float64], costs: NDArray[np.float64], borders: NDArray[np.int64], *,
             top_k: int, margin: float) -> NDArray[np.bool_]:
    """Do one pass of :func:`undominated`: count on a grid over rating and costs, then within equal ratings."""
    keep = np.ones(len(ratings), dtype=bool)
    for border in np.unique(borders):
        here = np.flatnonzero(borders == border)
        rivals = _count_rivals(ratings[here], margin, costs[:, here])
        keep[here[rivals >= top_k]] = False
        here, rivals = here[rivals < top_k], rivals[rivals < top_k]
        if len(here) < GROUP_MIN:
            continue
        _, group, sizes = np.unique(ratings[here], return_inverse=True, return_counts=True)
        for number in np.flatnonzero(sizes >= max(GROUP_MIN, len(here) // GROUPS_MAX)):
            members = np.flatnonzero(group == number)
            same = here[members]
            # Half a step is a margin that separates exactly the different places in the order.
            earlier = _count_rivals(np.arange(len(same), dtype=np.float64), 0.5, costs[:, same])
            keep[same[rivals[members] + earlier >= top_k]] = False
    return keep


def _count_rivals(first: NDArray[np.float64], margin: float, costs: NDArray[np.float64]) -> NDArray[np.int64]:
    """Count from below, shape ``(M,)``, the candidates smaller in ``first`` by ``margin`` with no larger cost."""
    cells = int(min(CELLS, CELLS_PER_CANDIDATE * len(first)) ** (1 / (1 + len(costs))))
    low, high, shape = [], [], []
    for axis, values in enumerate((first, *costs)):
        edges = _edges(values, cells)
        # A rival lies at or below the edge of its cell, a candidate at or above (beyond, by the margin) the edge of
        # the last cell that it may count.
        low.append(np.searchsorted(edges, values, side='left'))
        high.append(np.searchsorted(edges, values - margin, side='left') if axis == 0
                    else np.searchsorted(edges, values, side='right'))
        shape.append(len(edges) + 1)
    counts = np.bincount(_flat(low, shape), minlength=int(np.prod(shape))).reshape(shape)
    for axis in range(len(shape)):
        counts = counts.cumsum(axis=axis)
    return np.where(np.min(high, axis=0) > 0, counts.ravel()[_flat([index - 1 for index in high], shape)], 0)


def _edges(values: NDArray[np.float64], cells: int) -> NDArray[np.float64]:
    """Return at most ``cells`` of the values, ascending and about equally many candidates apart."""
    sample = np.sort(values[::max(1, len(values) // (8 * cells))])
    return np.unique(sample[np.linspace(0, len(sample) - 1, min(cells, len(sample))).astype(np.int64)])


def _flat(indices: Sequence[NDArray[np.int64]], shape: Sequence[int]) -> NDArray[np.int64]:
    """Return the indices into the flattened grid; those below 0, which count nothing, wrap around."""
    return np.ravel_multi_index(tuple(indices), tuple(shape), mode='wrap')
