"""How far above the bound a given number of combinations lies: the choice of a cut-off."""

from __future__ import annotations

import math
from typing import Sequence

import numpy as np
from numpy.typing import NDArray

__all__ = ['slack_for']

# NOTE: a cut-off that is somewhat off costs a little time only, so a coarse histogram does.
BINS = 512
BINS_MIN = 64
# NOTE: slacks that only differ by rounding are ties. This lies far above the one and far below any other difference.
RESOLUTION = 1e-12


def slack_for(slacks: Sequence[NDArray[np.float64]], aim: float) -> float:
    """Return the slack over the bound within which about ``aim`` combinations lie.

    The slack of a combination is taken as the sum of its paths' slacks, so the number of combinations with each slack
    is the convolution of the blocks' histograms. With border states the sum overstates it, but seldom by much.

    Parameters
    ----------
    slacks
        For each block, shape ``(P,)``, all at least 0: how far each path at least lifts a combination above the bound.
    aim
        The number of combinations, at least 1.

    Returns
    -------
    float
        Rating units; infinite if there are no more than ``aim`` combinations.
    """
    if sum(math.log(len(slack)) for slack in slacks) <= math.log(aim):
        return math.inf
    total = largest = sum(float(slack.max()) for slack in slacks)
    while largest > RESOLUTION * total:
        width = largest / BINS
        counts = np.ones(1)
        for slack in slacks:
            places = np.rint(slack[slack <= largest] / width).astype(np.int64)
            counts = np.convolve(counts, np.bincount(places))[:BINS]
        reached = int(np.searchsorted(counts.cumsum(), aim))
        if reached >= BINS_MIN:
            return min(reached + 1, BINS) * width
        largest = (reached + 1) * width
    return largest
