"""Who has a rival at all: exact, where a grid would leave a few who have.

For two numbers besides the first, the candidates are ordered by one of them and sifted by their place in the order of the
other, bit by bit ("The wavelet matrix", Information Systems 47, 2015): so each candidate meets all who are no larger in both
in a few whole runs, whose least first number is known.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

__all__ = ['MOST', 'has_rival']

MOST = 2
"""How many numbers besides the first :func:`has_rival` can compare."""


def has_rival(first: NDArray[np.float64], margin: float, rest: NDArray[np.float64]) -> NDArray[np.bool_]:
    """Mark those for whom another one is smaller in ``first`` by over ``margin`` and no larger in ``rest``.

    Parameters
    ----------
    first
        Shape ``(M,)``.
    margin
        At least 0.
    rest
        Shape ``(D, M)``, D at most ``MOST``.

    Returns
    -------
    numpy.ndarray
        Shape ``(M,)``, bool.
    """
    if len(rest) == 0:
        return first.min(initial=np.inf) < first - margin
    order = rest[0].argsort(kind='stable')
    ordered = rest[0, order]
    upto = np.empty(len(order), dtype=np.int64)
    upto[order] = ordered.searchsorted(ordered, side='right')
    if len(rest) == 1:
        return np.minimum.accumulate(first[order])[upto - 1] < first - margin
    return _least(first, rest[1], order, upto) < first - margin


def _least(first: NDArray[np.float64], second: NDArray[np.float64], order: NDArray[np.int64], upto: NDArray[np.int64]
           ) -> NDArray[np.float64]:
    """Return, shape ``(M,)``, the least ``first`` among the ``upto`` first in ``order`` that are no larger in ``second``."""
    count = len(order)
    values = np.sort(first)
    # Places in ascending order, so that the minima of all runs can be taken at once; `count` stands for nobody.
    ranks = values.searchsorted(first)
    by_second = second.argsort(kind='stable')
    ordered = second[by_second]
    start, stop = np.zeros(count, dtype=np.int64), np.empty(count, dtype=np.int64)
    stop[by_second] = ordered.searchsorted(ordered, side='right')
    place = np.empty(count, dtype=np.int64)
    place[order] = np.arange(count)
    place, ranks = place[by_second], ranks[by_second]
    least = np.full(count, count)
    for bit in range(count.bit_length() - 1, -1, -1):
        upper = (place >> bit) & 1 == 1
        lower = np.concatenate([[0], np.cumsum(~upper)])
        shift = lower[-1]
        place, ranks = np.concatenate([place[~upper], place[upper]]), np.concatenate([ranks[~upper], ranks[upper]])
        # All whose places agree in the bits so far stand together, in ascending order of `second`.
        run = np.cumsum(np.diff(place >> bit, prepend=place[:1] >> bit) != 0) * (count + 1)
        minima = np.minimum.accumulate(ranks - run) + run
        whole = (upto >> bit) & 1 == 1
        low_start, low_stop = lower[start], lower[stop]
        met = whole & (low_stop > low_start)
        least[met] = np.minimum(least[met], minima[low_stop[met] - 1])
        start = np.where(whole, shift + start - low_start, low_start)
        stop = np.where(whole, shift + stop - low_stop, low_stop)
    return np.append(values, np.inf)[least]
