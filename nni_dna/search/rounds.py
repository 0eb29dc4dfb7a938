"""One round of a search: a cut-off on the rating, and every combination under it that counts."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Sequence

import numpy as np
from numpy.typing import NDArray

from nni_dna.search.bounds import Weights, restrict, through
from nni_dna.search.chain import Chain
from nni_dna.search.combine import Combinations, combine
from nni_dna.search.multipliers import best_multipliers
from nni_dna.search.slack import slack_for

__all__ = ['Relaxation', 'keeping_limits', 'relax', 'search_under']

# NOTE: the growth of the number of combinations that a cut-off aims at, where the last one found too little.
AIM_GROWTH = 8
# NOTE: a partial combination has used more or less than its share of a limit, so the multipliers that bound it best
# differ from the best ones overall; some of those passed on the way to them serve. More take longer to check than
# they save.
MULTIPLIERS = 8


@dataclass(frozen=True, kw_only=True, eq=False)
class Relaxation:
    """What the Lagrangian relaxation says about a chain.

    Parameters
    ----------
    bound
        A lower bound, up to rounding, on the best rating.
    weights
        To bound partial combinations with.
    slacks
        For each block, shape ``(P,)``: how far each path at least lifts a combination above the bound.
    """

    bound: float
    weights: tuple[Weights, ...]
    slacks: tuple[NDArray[np.float64], ...]

    def cutoff_above(self, cutoff: float, aim: float) -> tuple[float, float]:
        """Return a cut-off above another under which about ``aim`` combinations lie, more if need be, and that aim."""
        # Ties can hold any number of combinations, so a larger aim alone may not move the cut-off.
        while (goal := self.bound + slack_for(self.slacks, aim)) <= cutoff:
            aim *= AIM_GROWTH
        return goal, aim


def relax(chain: Chain) -> Relaxation:
    """Find the multipliers that make the Lagrangian bound tight, and the weights that go with them.

    Parameters
    ----------
    chain
        Blocks with at least one path each, and limits that can each be met alone.
    """
    bounds = best_multipliers(chain)[:MULTIPLIERS]
    weights = (*(Weights(rating=1.0, costs=mu) for _, mu in bounds), *keeping_limits(chain))
    slacks = tuple(totals - totals.min() for totals in through(chain, weights[0]))
    return Relaxation(bound=bounds[0][0], weights=weights, slacks=slacks)


def keeping_limits(chain: Chain) -> tuple[Weights, ...]:
    """Return the weights that say of each limit alone that it cannot be met any more."""
    return tuple(Weights(rating=0.0, costs=unit) for unit in np.eye(len(chain.limits)))


def search_under(chain: Chain, weights: Sequence[Weights], *, cutoff: float, top_k: int, front: int | None = None
                 ) -> tuple[Combinations, int]:
    """Return the combinations found with a cut-off, and how many were made; see :func:`nni_dna.search.combine.combine`."""
    for row in weights:
        chain = restrict(chain, row, cutoff)
    return combine(chain, weights, cutoff=cutoff, top_k=top_k, front=front)
