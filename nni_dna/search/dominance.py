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
SAMPLE = 2**12
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
    """Do one pass of :func:`undominated` over each border state."""
    keep = np.ones(len(ratings), dtype=bool)
    for border in np.unique(borders):
        here = np.flatnonzero(borders == border)
        r = _count_rivals(ratings[here], margin, costs[:, here])
        keep[here[r>=top_k]]=False
        here=here[r<top_k]
        r = _count_rivals(here.astype(float), 0.5, [ratings[here],*costs[:, here]])
        keep[here[r>=top_k]]=False
        here=here[r<top_k]
        keys = np.stack([ratings[here], *costs[:, here]])
        order = np.lexsort(keys)
        k=keys[:,order]
        if len(order)>top_k:
            same=(k[:,top_k:]==k[:,:-top_k]).all(axis=0)
            keep[here[order[top_k:][same]]]=False
    return keep


def _count_rivals(first: NDArray[np.float64], margin: float, rest) -> NDArray[np.int64]:
    """Count from below, shape ``(M,)``, the candidates smaller in ``first`` by ``margin`` with no larger cost."""
    low, high, shape = [], [], []
    for axis, (values, edges) in enumerate(zip((first, *rest), _edges([first, *rest], min(CELLS, CELLS_PER_CANDIDATE*len(first))))):
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


def _edges(axes, cells: int) -> list[NDArray[np.float64]]:
    """Return at most ``cells`` of the values, ascending and about equally many candidates apart."""
    samples = [np.sort(values[::max(1, len(values) // SAMPLE)]) for values in axes]
    distinct = [np.unique(sample) for sample in samples]
    edges = {}
    for done, axis in enumerate(sorted(range(len(axes)), key=lambda axis: len(distinct[axis]))):
        share = max(1, int(cells ** (1 / (len(axes) - done))))
        edges[axis] = distinct[axis]
        if len(distinct[axis]) > share:
            edges[axis] = np.unique(samples[axis][np.linspace(0, len(samples[axis]) - 1, share).astype(np.int64)])
        cells //= len(edges[axis])
    return [edges[axis] for axis in range(len(axes))]


def _flat(indices: Sequence[NDArray[np.int64]], shape: Sequence[int]) -> NDArray[np.int64]:
    """Return the indices into the flattened grid; those below 0, which count nothing, wrap around."""
    return np.ravel_multi_index(tuple(indices), tuple(shape), mode='wrap')
