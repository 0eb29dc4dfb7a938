"""What a search is asked, checked, and the proof that what it returns answers that.

Whatever the search did on the way, its answer is added up again from the tables as they were given.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Sequence

import numpy as np
from numpy.typing import NDArray

from nni_dna.errors import InfeasibleError
from nni_dna.search.chain import Chain
from nni_dna.search.combine import Combinations
from nni_dna.search.infeasible import infeasible_error
from nni_dna.search.inputs import check_limit_names, check_limits, check_peaks, check_tables, check_tail_costs
from nni_dna.search.peaks import count_exceeding, without_exceeding
from nni_dna.search.result import Solution
from nni_dna.search.tables import BlockTable

__all__ = ['Problem']

_BUG = 'please report this as a bug'


@dataclass(frozen=True, kw_only=True, eq=False)
class Problem:
    """Tables and limits that fit each other, each limit of which some combination keeps.

    Parameters
    ----------
    tables
        The blocks in order.
    tail
        Shape ``(B_last, C)``. The costs of what follows the last block.
    limits
        Shape ``(C,)``; ``inf`` for none.
    names
        What the limits are called, one each.
    peaks
        Shape ``(C,)``, bool. Costs whose total is the largest over the parts, and not the sum.
    chain
        The same as plain arrays; peaks are replaced as :mod:`nni_dna.search.peaks` says.
    cheapest
        Shape ``(C,)``. The smallest possible total of each cost alone.
    dearest
        Shape ``(C,)``. The largest possible total of each cost of the chain alone.
    """

    tables: tuple[BlockTable, ...]
    tail: NDArray[np.float64]
    limits: NDArray[np.float64]
    names: tuple[str, ...]
    peaks: NDArray[np.bool_]
    chain: Chain
    cheapest: NDArray[np.float64]
    dearest: NDArray[np.float64]

    @classmethod
    def of(cls, tables: Sequence[BlockTable], limits: Sequence[float], tail_costs: NDArray[np.float64] | None,
           limit_names: Sequence[str] | None, peaks: Sequence[int] = ()) -> Problem:
        """Check what a search is given.

        Raises
        ------
        SettingsError
            If the shapes do not fit each other, a block has no path to choose, or an argument is out of range.
        InfeasibleError
            If a limit is lower than every total.
        """
        check_tables(tables)
        count = tables[0].costs.shape[2]
        maxima, names = check_limits(limits, count), check_limit_names(limit_names, count)
        tail = check_tail_costs(tail_costs, tables)
        mask = check_peaks(peaks, count)
        chain = Chain.from_tables(tables, tail, maxima)
        cheapest = chain.smallest_totals()
        if mask.any():
            cheapest = np.where(mask, chain.smallest_totals(np.maximum), cheapest)
        if (cheapest > maxima).any():
            raise infeasible_error(names, maxima, cheapest)
        if mask.any():
            chain = without_exceeding(count_exceeding(chain, mask), mask)
            if not all(len(link.index) for link in chain.links) or (chain.smallest_totals() > chain.limits).any():
                raise infeasible_error(names, maxima, cheapest)  # limits that can only be kept one at a time
        return cls(tables=tuple(tables), tail=tail, limits=maxima, names=names, peaks=mask, chain=chain, cheapest=cheapest,
                   dearest=chain.largest_totals())

    def infeasible(self) -> InfeasibleError:
        """Return the error that says which limit is too low, or that they are together."""
        return infeasible_error(self.names, self.limits, self.cheapest)

    def solutions(self, found: Combinations) -> tuple[Solution, ...]:
        """Add up combinations from the tables and check them.

        Raises
        ------
        RuntimeError
            If one is not a path for every block that can be chosen, does not have the rating that the search had added up, or
            breaks a limit.
        """
        count, paths = len(found.ratings), found.paths
        sizes = [len(table.ratings) for table in self.tables]
        if paths.shape != (count, len(sizes)) or (paths < 0).any() or (paths >= sizes).any():
            raise RuntimeError(f'The search returned something else than one path for each of {len(sizes)} blocks; {_BUG}.')
        ratings, state = np.zeros(count), np.zeros(count, dtype=np.int64)
        costs = np.tile(np.where(self.peaks, -np.inf, 0.0), (count, 1))
        for table, chosen in zip(self.tables, paths.T):
            ratings = ratings + table.ratings[chosen]
            costs = self._join(costs, table.costs[state, chosen])
            state = table.border[chosen]
        costs = self._join(costs, self.tail[state])
        wrong = ~np.isfinite(ratings) | (ratings != found.ratings) | (costs > self.limits).any(axis=1)
        solutions = tuple(Solution(paths=tuple(row), rating=rating, costs=tuple(totals))
                          for row, rating, totals in zip(paths.tolist(), ratings.tolist(), costs.tolist()))
        if wrong.any():
            first = int(wrong.argmax())
            raise RuntimeError(f'The search had a rating of {found.ratings[first]} under the limits {self.limits.tolist()}, but '
                               f'adding it up again gives {solutions[first]}; {_BUG}.')
        return solutions

    def _join(self, costs: NDArray[np.float64], more: NDArray[np.float64]) -> NDArray[np.float64]:
        return np.where(self.peaks, np.maximum(costs, more), costs + more)

    @staticmethod
    def check_order(keys: Sequence[tuple]) -> None:
        """See that the keys ascend strictly.

        Raises
        ------
        RuntimeError
            If they do not.
        """
        if any(first >= second for first, second in zip(keys, keys[1:])):
            raise RuntimeError(f'The search returned solutions out of order; {_BUG}.')
