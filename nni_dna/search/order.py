"""What comes first among the results of a search, and so which of its candidates can be dropped.

:mod:`nni_dna.search.dominance` does the counting; here stands what counts, and from which size on it pays.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Mapping

import numpy as np
from numpy.typing import NDArray

from nni_dna.search.bounds import ROUNDING
from nni_dna.search.chain import Chain, Link
from nni_dna.search.dominance import undominated

__all__ = ['Order']

# NOTE: below these sizes, looking for dominated partial combinations, or paths, takes longer than continuing them; a front
# of one cost is found by sorting, which pays earlier.
COMBINATIONS_MIN = 2 ** 14
PATHS_MIN = 2 ** 9
SORTED_MIN = 2 ** 6


@dataclass(frozen=True, kw_only=True, eq=False)
class Order:
    """The order of the results that are wanted of a chain.

    Parameters
    ----------
    top_k
        How many results are wanted; 1 for a front.
    margins
        By row of the numbers (the rating, then the costs): those which decide who comes first, each with the difference
        from which on two sums still differ after adding the same to both, in spite of rounding. What is equal in these
        stands in the order of the paths.
    combinations_min, paths_min
        How many partial combinations, or paths, to look for dominated ones among.
    """

    top_k: int
    margins: Mapping[int, float]
    combinations_min: int
    paths_min: int

    @classmethod
    def of(cls, chain: Chain, *, top_k: int, front: int | None) -> Order:
        """Order by rating, and for a Pareto front with the cost ``front`` of the chain by that cost too."""
        # Two sums are compared, each with its own roundings; the factor leaves room for both.
        rounding = ROUNDING * (len(chain.links) + 1)
        margins = {0: rounding * chain.largest_ratings()}
        if front is not None:
            margins[1 + front] = rounding * chain.largest_costs()[front]
        by_sorting = front is not None and len(chain.limits) == 1
        return cls(top_k=top_k, margins=margins, combinations_min=SORTED_MIN if by_sorting else COMBINATIONS_MIN,
                   paths_min=SORTED_MIN if by_sorting else PATHS_MIN)

    def useful(self, link: Link) -> NDArray[np.bool_]:
        """Mark, shape ``(B_in, P)``, the paths of a link that are not known to be dominated behind each border state."""
        if len(link.index) < self.paths_min:
            return np.ones(link.costs.shape[1:], dtype=bool)
        return np.stack([self._left(link.ratings, link.costs[:, state], link.border)
                         for state in range(link.costs.shape[1])])

    def left(self, ratings: NDArray[np.float64], costs: NDArray[np.float64], borders: NDArray[np.int64]
             ) -> NDArray[np.bool_]:
        """Mark, shape ``(M,)``, the partial combinations, in the order of their paths, that are not known to be dominated.

        ``ratings`` and ``borders`` have shape ``(M,)``, ``costs`` has shape ``(C, M)``.
        """
        if len(ratings) < self.combinations_min:
            return np.ones(len(ratings), dtype=bool)
        return self._left(ratings, costs, borders)

    def _left(self, ratings: NDArray[np.float64], costs: NDArray[np.float64], borders: NDArray[np.int64]
              ) -> NDArray[np.bool_]:
        return undominated(np.vstack([ratings, costs]), borders, top_k=self.top_k, margins=self.margins)
