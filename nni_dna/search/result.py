"""What the search returns."""

from __future__ import annotations

from dataclasses import dataclass

__all__ = ['ParetoFront', 'SearchResult', 'Solution']


@dataclass(frozen=True, kw_only=True)
class Solution:
    """One architecture: a path for every block.

    Parameters
    ----------
    paths
        The index of the chosen path in each block's table.
    rating
        The sum of the paths' ratings, added in block order; smaller is better.
    costs
        The total of each cost, what follows the last block included, in the order and the units of the limits.
    """

    paths: tuple[int, ...]
    rating: float
    costs: tuple[float, ...]


@dataclass(frozen=True, kw_only=True)
class SearchResult:
    """The best architectures within the limits.

    Parameters
    ----------
    solutions
        The ``top_k`` best, or all if fewer keep the limits. Sorted by rating, then by the tuple of path indices.
    proven
        Whether the last solution lies under the cut-off up to which every combination was considered, so that nothing
        better can exist.
    cutoff
        That cut-off: a rating, infinite if all combinations were considered.
    bound
        A lower bound, up to rounding, on the best rating, from the Lagrangian relaxation.
    rounds
        How many cut-offs were tried.
    expanded
        How many partial combinations were made on the way, over all rounds.
    """

    solutions: tuple[Solution, ...]
    proven: bool
    cutoff: float
    bound: float
    rounds: int
    expanded: int


@dataclass(frozen=True, kw_only=True)
class ParetoFront:
    """All trade-offs between the rating and one cost within the limits.

    Parameters
    ----------
    points
        One architecture for each pair of rating and cost that no other one beats: no combination within the limits has a
        rating and a cost that are no larger and not both the same. In ascending order of the cost, so of ever better
        (smaller) ratings.
    cost
        Which cost it is: an index into the solutions' ``costs``.
    rounds
        How many cut-offs were tried.
    expanded
        How many partial combinations were made on the way, over all rounds.
    """

    points: tuple[Solution, ...]
    cost: int
    rounds: int
    expanded: int
