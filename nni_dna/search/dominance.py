"""k-dominance: which partial combinations can be dropped because enough others do better whatever follows.

Two partial combinations of the same blocks that end in the same border state can be continued in the same ways. If one
has no larger cost of any kind and comes first in the order of results, all its continuations do. A partial combination
with ``k`` such rivals cannot be part of the ``k`` best.

On a Pareto front, where a lower rating and a lower cost count alike, only ``k = 1`` makes sense, and of equal ratings the
cheaper comes first.
"""

from __future__ import annotations

import math
from typing import Callable, Mapping, Sequence

import numpy as np
from numpy.typing import NDArray

from nni_dna.search.rivals import MOST, has_rival

__all__ = ['undominated']

_Count = Callable[[NDArray[np.float64], float, NDArray[np.float64]], NDArray]

# NOTE: the rivals are counted on a grid whose cells must all be visited, and the passes repeat while they pay; a finer
# grid drops more in one pass but takes longer than two passes on a coarse one.
CELLS = 2 ** 16
CELLS_PER_CANDIDATE = 32
PROGRESS = 0.9
# NOTE: the edges of the cells need not be the exact quantiles.
SAMPLE = 2 ** 12


def undominated(numbers: NDArray[np.float64], borders: NDArray[np.int64], *, top_k: int,
                margins: Mapping[int, float]) -> NDArray[np.bool_]:
    """Mark the partial combinations that fewer than ``top_k`` others are known to dominate.

    The candidates stand in the order that decides where all else is equal. The rivals are counted from below, so a
    dominated candidate may stay, but none that matters goes.

    Parameters
    ----------
    numbers
        Shape ``(1 + C, M)``, M at least 1: the ratings, then the costs; smaller is better. A rival is larger in none.
    borders
        Shape ``(M,)``. Only candidates with equal values are compared.
    top_k
        How many results are wanted.
    margins
        By row of ``numbers``, those which decide who comes first, each with the difference from which on two numbers still
        differ after adding any continuation, in spite of rounding.

    Returns
    -------
    numpy.ndarray
        Shape ``(M,)``, bool.
    """
    left = np.arange(numbers.shape[1])
    one = top_k == 1 and len(numbers) <= 1 + MOST
    # Two numbers are quickly compared exactly; more take longer, so a grid goes first.
    counted = not one or len(numbers) > 2
    while counted:
        before = len(left)
        left = left[_pass(numbers[:, left], borders[left], _count_rivals, top_k=top_k, margins=margins)]
        # The grid follows the candidates that are left, so it grows finer where it matters.
        counted = len(left) < PROGRESS * before
    if one:
        left = left[_pass(numbers[:, left], borders[left], has_rival, top_k=top_k, margins=margins)]
    mask = np.zeros(numbers.shape[1], dtype=bool)
    mask[left] = True
    return mask


def _pass(numbers: NDArray[np.float64], borders: NDArray[np.int64], count: _Count, *, top_k: int,
          margins: Mapping[int, float]) -> NDArray[np.int64]:
    """Return the indices, in order, of those with fewer than ``top_k`` rivals, which ``count`` counts or finds."""
    kept = []
    for border in np.unique(borders):
        here = np.flatnonzero(borders == border)
        # A rival is better by so much that rounding cannot matter, or it is not worse and comes first.
        for row, margin in margins.items():
            values = numbers[:, here]
            here = here[count(values[row], margin, np.delete(values, row, axis=0)) < top_k]
        here = here[~_repeated(numbers[:, here], top_k)]
        # Candidates that differ by more than the margins have been compared.
        close = all(_any_close(numbers[row, here], margin) for row, margin in margins.items())
        if close and (count is _count_rivals or len(numbers) <= MOST):
            here = here[count(np.arange(len(here), dtype=np.float64), 0.0, numbers[:, here]) < top_k]
        kept.append(here)
    return np.sort(np.concatenate(kept))


def _any_close(values: NDArray[np.float64], margin: float) -> bool:
    """Tell whether any two values, shape ``(M,)``, lie within a margin."""
    return bool((np.diff(np.sort(values)) <= margin).any())


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
