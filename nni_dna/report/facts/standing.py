"""Where a rating stands among those of all architectures: counted over all combinations without listing them."""

from __future__ import annotations

from typing import Sequence

import numpy as np

__all__ = ['share_rated_as_well']

_BINS = 4096  # of the sum's range; the answer is off by those within N of them above the rating, N being the blocks


def share_rated_as_well(tables: Sequence[np.ndarray], rating: float) -> float:
    """The share of all combinations of one path per block whose rating is as good or better.

    Ratings are rounded down to bins and the bins' counts convolved, so the answer is never too small.

    Parameters
    ----------
    tables
        Per block (paths,); smaller is better. A rating that is not finite counts as worse than all.
    rating
        The sum over the blocks to compare with.
    """
    finite = [table[np.isfinite(table)] for table in tables]
    lowest = [float(table.min()) for table in finite]
    spread = sum(float(table.max()) - low for table, low in zip(finite, lowest))
    if spread == 0:
        return 1.0
    width = spread / _BINS
    shares = np.ones(1)
    for own, table, low in zip(finite, tables, lowest):
        bins = np.floor((own - low) / width).astype(np.int64)
        shares = np.convolve(shares, np.bincount(bins) / len(table))
    last = int(np.floor((rating - sum(lowest)) / width * (1 + 1e-12) + 1e-9))
    return float(min(shares[:last + 1].sum(), 1.0))
