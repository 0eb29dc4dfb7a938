"""What the search is given: for every block, the rating and the costs of each of its paths."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from nni_dna.errors import SettingsError

__all__ = ['BlockTable']


@dataclass(frozen=True, kw_only=True, eq=False)
class BlockTable:
    """The ratings and the costs of one block's paths.

    The first layer of a block costs according to the width that the previous block ended with. That width is the
    *border state*: every path hands one on, and every cost is given for each state that the previous block can leave.

    Parameters
    ----------
    ratings
        Shape ``(P,)``. The block's term of the objective, already times its weight: ``lambda_i * L_val(alpha_i)``;
        smaller is better, negative values are fine. A path with a NaN or ``+inf`` rating is never chosen, and its
        costs are not looked at; ``-inf`` is an error.
    costs
        Shape ``(B_in, P, C)``. ``costs[b, p, c]`` is what path ``p`` costs, in the unit of the ``c``-th limit, when
        the previous block ended in border state ``b``. Finite; integers below ``2**53`` stay exact. The first block
        has ``B_in = 1``; ``C`` may be 0.
    border
        Shape ``(P,)``, integers. The border state that a path hands to the next block: an index into the first axis
        of the next table's ``costs`` (for the last block, of ``tail_costs``).

    Raises
    ------
    SettingsError
        If the shapes do not fit each other, or a value is none of the above.
    """

    ratings: NDArray[np.float64]
    costs: NDArray[np.float64]
    border: NDArray[np.int64]

    def __post_init__(self) -> None:
        ratings = np.asarray(self.ratings, dtype=np.float64)
        costs = np.asarray(self.costs, dtype=np.float64)
        border = np.asarray(self.border)
        if ratings.ndim != 1:
            raise SettingsError(f'Expected `ratings` of shape (P,), but got {ratings.shape}.')
        if costs.ndim != 3 or costs.shape[0] < 1 or costs.shape[1] != ratings.size:
            raise SettingsError(f'Expected `costs` of shape (B_in, {ratings.size}, C), but got {costs.shape}.')
        if border.shape != ratings.shape:
            raise SettingsError(f'Expected `border` of shape ({ratings.size},), but got {border.shape}.')
        if border.size and border.dtype.kind not in 'iu':
            raise SettingsError(f'Expected `border` to hold integers, but got {border.dtype}.')
        if (border < 0).any():
            raise SettingsError(f'Expected `border` to hold indices from 0 on, but got {border.min()}.')
        if np.isneginf(ratings).any():
            raise SettingsError(f'A rating cannot be -inf, but that of path {int(np.isneginf(ratings).argmax())} is; '
                                'use NaN or +inf for a path that must not be chosen.')
        if not np.isfinite(costs[:, np.isfinite(ratings)]).all():
            raise SettingsError('Every path that can be chosen needs finite `costs`, but got NaN or infinity; '
                                'give such a path a NaN rating to leave it out.')
        object.__setattr__(self, 'ratings', ratings)
        object.__setattr__(self, 'costs', costs)
        object.__setattr__(self, 'border', border.astype(np.int64))
