"""k-dominance: which partial combinations can be dropped because enough others do better whatever follows.

Two partial combinations of the same blocks that end in the same border state can be continued in the same ways. If one
has no larger cost of any kind and comes first in the order of results, all its continuations do. A partial combination
with ``k`` such rivals cannot be part of the ``k`` best.
"""

from __future__ import annotations

import math
from typing import Sequence

import numpy as np
from numpy.typing import NDArray

__all__ = ['undominated']

# NOTE: the rivals are counted on a grid whose cells must all be visited, and the passes repeat while they pay; a finer
# grid drops more in one pass but takes longer than two passes on a coarse one.
CELLS = 2 ** 16
CELLS_PER_CANDIDATE = 32
PROGRESS = 0.9
# NOTE: the edges of the cells need not be the exact quantiles.
SAMPLE = 2 ** 12


def undominated(ratings: NDArray[np.float64], costs: NDArray[np.float64], borders: NDArray[np.int64], *,
                top_k: int, margin: float) -> NDArray[np.bool_]:
    """Mark the partial combinations that fewer than ``top_k`` others are known to dominate.

    The candidates stand in the order that decides where total ratings are equal. The rivals are counted from below, so
    a dominated candidate may stay, but none that matters goes.

    Parameters
    ----------
    ratings
        Shape ``(M,)``, M at least 1; smaller is better.
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
        keep = _pass(ratings[left], costs[:, left], borders[left], top_k=top_k, margin=margin)
        # The grid follows the candidates that are left, so it grows finer where it matters.
        finished = len(keep) >= PROGRESS * len(left)
        left = left[keep]
        if finished:
            mask = np.zeros(len(ratings), dtype=bool)
            mask[left] = True
            return mask


def _pass(ratings: NDArray[np.float64], costs: NDArray[np.float64], borders: NDArray[np.int64], *,
          top_k: int, margin: float) -> NDArray[np.int64]:
    """Do one pass of :func:`undominated` and return the indices of those left, in order."""
    kept = []
    for border in np.unique(borders):
        here = np.flatnonzero(borders == border)
        # A rival is better by so much that rounding cannot matter, or it is not worse and comes first.
        here = here[_count_rivals(ratings[here], margin, costs[:, here]) < top_k]
        numbers = np.vstack([ratings[here], costs[:, here]])
        fine = _count_rivals(np.arange(len(here), dtype=np.float64), 0.0, numbers) < top_k
        here, numbers = here[fine], numbers[:, fine]
        kept.append(here[~_repeated(numbers, top_k)])
    return np.sort(np.concatenate(kept))


def _repeated(numbers: NDArray[np.float64], times: int) -> NDArray[np.bool_]:
    """Mark, shape ``(M,)``, the columns that have occurred at least ``times`` before."""
    order = np.lexsort(numbers)
    ordered = numbers[:, order]
    repeated = np.zeros(numbers.shape[1], dtype=bool)
    repeated[order[times:]] = np.all(ordered[:, times:] == ordered[:, :-times], axis=0)
    return repeated


def _count_rivals(first: NDArray[np.float64], margin: float, rest: NDArray[np.float64]) -> NDArray[np.int64]:
    """Count from below, shape ``(M,)``, who is smaller in ``first`` by over ``margin`` and no larger in ``rest``.

    ``first`` has shape ``(M,)`` and ``rest`` shape ``(D, M)``.
    """
    low, high, shape = [], [], []
    for axis, edges in enumerate(_edges(np.vstack([first, rest]))):
        # A rival lies at or below the edge that its cell ends with. A candidate counts the cells up to the last one
        # whose edge lies below it by the margin, or, in `rest`, not above it.
        if axis == 0:
            low.append(np.searchsorted(edges, first, side='left'))
            high.append(np.searchsorted(edges, first - margin, side='left'))
        else:
            low.append(np.searchsorted(edges, rest[axis - 1], side='left'))
            high.append(np.searchsorted(edges, rest[axis - 1], side='right'))
        shape.append(len(edges) + 1)
    counts = np.bincount(_flat(low, shape), minlength=math.prod(shape)).reshape(shape)
    for axis in range(len(shape)):
        counts = counts.cumsum(axis=axis)
    some = np.all(np.stack(high) > 0, axis=0)
    return np.where(some, counts.ravel()[_flat([index - 1 for index in high], shape)], 0)


def _edges(numbers: NDArray[np.float64]) -> list[NDArray[np.float64]]:
    """Return, for each row of ``numbers``, shape ``(D, M)``, some of its values, ascending and evenly spread over M."""
    count = numbers.shape[1]
    samples = [np.sort(values[::max(1, count // SAMPLE)]) for values in numbers]
    distinct = [np.unique(sample) for sample in samples]
    cells = min(CELLS, CELLS_PER_CANDIDATE * count)
    edges = list(distinct)
    # A row of few different values needs few edges, which leaves more cells to the other rows.
    for done, axis in enumerate(sorted(range(len(edges)), key=lambda axis: len(distinct[axis]))):
        most = max(1, int(cells ** (1 / (len(edges) - done))))
        if len(distinct[axis]) > most:
            quantiles = np.linspace(0, len(samples[axis]) - 1, most).astype(np.int64)
            edges[axis] = np.unique(samples[axis][quantiles])
        cells //= max(1, len(edges[axis]))
    return edges


def _flat(indices: Sequence[NDArray[np.int64]], shape: Sequence[int]) -> NDArray[np.int64]:
    """Return the indices into the flattened grid; those below 0, which count nothing, wrap around."""
    return np.ravel_multi_index(tuple(indices), tuple(shape), mode='wrap')
