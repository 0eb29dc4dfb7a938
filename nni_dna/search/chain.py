"""The tables of all blocks as one chain of plain arrays, and the totals that a chain can reach.

A chain holds only paths that can be chosen and keeps the original path indices beside them, so it can be cut down as
the search learns more.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Sequence

import numpy as np
from numpy.typing import NDArray

from nni_dna.search.tables import BlockTable

__all__ = ['Chain', 'Link']


@dataclass(frozen=True, kw_only=True, eq=False)
class Link:
    """One block of a chain.

    Parameters
    ----------
    index
        Shape ``(P,)``, ascending. The paths' indices in the block's table.
    ratings
        Shape ``(P,)``, finite; smaller is better.
    costs
        Shape ``(C, B_in, P)``: cost first, so that one cost of all paths lies together in memory.
    border
        Shape ``(P,)``. The border state that a path hands to the next link.
    """

    index: NDArray[np.int64]
    ratings: NDArray[np.float64]
    costs: NDArray[np.float64]
    border: NDArray[np.int64]

    def take(self, keep: NDArray[np.bool_]) -> Link:
        """Return the link with only the paths of the mask ``keep``, shape ``(P,)``."""
        return Link(index=self.index[keep], ratings=self.ratings[keep], costs=self.costs[:, :, keep],
                    border=self.border[keep])


@dataclass(frozen=True, kw_only=True, eq=False)
class Chain:
    """All blocks, what follows the last one, and the limits on the totals.

    Parameters
    ----------
    links
        The blocks in order.
    tail
        Shape ``(C, B_last)``. The cost of what follows the last block, by the border state that it ends in.
    limits
        Shape ``(C,)``. A total may equal its limit.
    """

    links: tuple[Link, ...]
    tail: NDArray[np.float64]
    limits: NDArray[np.float64]

    @classmethod
    def from_tables(cls, tables: Sequence[BlockTable], tail_costs: NDArray[np.float64],
                    limits: NDArray[np.float64]) -> Chain:
        """Build a chain from tables that fit each other, leaving out the paths that cannot be chosen."""
        links = []
        for table in tables:
            index = np.flatnonzero(np.isfinite(table.ratings))
            links.append(Link(index=index, ratings=table.ratings[index], border=table.border[index],
                              costs=np.ascontiguousarray(np.moveaxis(table.costs[:, index], 2, 0))))
        return cls(links=tuple(links), tail=np.ascontiguousarray(tail_costs.T), limits=limits)

    def with_costs(self, keep: NDArray[np.bool_]) -> Chain:
        """Return the chain with only the costs, and their limits, of the mask ``keep``, shape ``(C,)``."""
        links = tuple(replace(link, costs=link.costs[keep]) for link in self.links)
        return Chain(links=links, tail=self.tail[keep], limits=self.limits[keep])

    def with_links(self, links: Sequence[Link]) -> Chain:
        """Return the chain with other links."""
        return replace(self, links=tuple(links))

    def smallest_totals(self, join: np.ufunc = np.add) -> NDArray[np.float64]:
        """Return, shape ``(C,)``, the smallest possible total of each cost alone.

        Joining in block order, be it by adding or by taking the larger one, is monotone even after rounding, so this is bit
        for bit the smallest total that any combination of paths gives, border states included.
        """
        reached = np.full((len(self.limits), 1), 0.0 if join is np.add else -np.inf)
        for position, link in enumerate(self.links):
            states = self.states_after(position)
            totals = join(reached[:, :, None], link.costs).min(axis=1)
            reached = np.full((len(self.limits), states), np.inf)
            for state in range(states):
                ends_here = link.border == state
                if ends_here.any():
                    reached[:, state] = totals[:, ends_here].min(axis=1)
        return join(reached, self.tail).min(axis=1)

    def largest_totals(self) -> NDArray[np.float64]:
        """Return, shape ``(C,)``, the largest possible total of each cost alone."""
        links = [replace(link, costs=-link.costs) for link in self.links]
        return -replace(self, links=tuple(links), tail=-self.tail).smallest_totals()

    def states_after(self, position: int) -> int:
        """Return how many border states there are behind the link at ``position``."""
        if position + 1 < len(self.links):
            return self.links[position + 1].costs.shape[1]
        return self.tail.shape[1]

    def largest_ratings(self) -> float:
        """Return the largest magnitude that a sum of ratings can have, the scale of its rounding errors."""
        return float(sum(np.abs(link.ratings).max(initial=0.0) for link in self.links))

    def largest_rating(self) -> float:
        """Return a rating that no combination exceeds: the sum of the blocks' largest, added in block order."""
        return float(sum(link.ratings.max() for link in self.links))

    def largest_costs(self) -> NDArray[np.float64]:
        """Return, shape ``(C,)``, the largest magnitude that a sum of each cost can have."""
        parts = [*(link.costs for link in self.links), self.tail[:, :, None]]
        return np.sum([np.abs(costs).max(axis=(1, 2), initial=0.0) for costs in parts], axis=0)
