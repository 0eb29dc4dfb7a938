"""Where a rating stands among those of all architectures: counted over all combinations without listing them."""

from __future__ import annotations

from typing import Sequence

import numpy as np

__all__ = ['share_rated_as_well']

_BINS = 4096  # between the best rating of all and the one that is asked for


def share_rated_as_well(tables: Sequence[np.ndarray], rating: float) -> float:
    """The share of all combinations of one path per block whose rating is as good or better.

    What each path adds to the best is rounded down to bins and the bins' counts are convolved, so the answer is never too
    small, and counts too many only among the combinations that are worse by less than a bin per block.

    Parameters
    ----------
    tables
        Per block (paths,); smaller is better. A rating that is not finite counts as worse than all.
    rating
        The sum over the blocks to compare with.
    """
    finite = [table[np.isfinite(table)] for table in tables]
    lowest = [float(own.min()) for own in finite]
    rounding = 1e-12 * sum(float(np.abs(own).max()) for own in finite) or 1.0  # all are 0
    width = (max(rating - sum(lowest), 0.0) + rounding) / _BINS
    shares = np.ones(1)
    for table, own, low in zip(tables, finite, lowest):
        bins = np.floor((own - low) / width)
        counts = np.bincount(bins[bins <= _BINS].astype(np.int64))
        shares = np.convolve(shares, counts / len(table))[:_BINS + 1]
    return float(min(shares.sum(), 1.0))
