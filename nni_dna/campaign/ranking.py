"""From rating and cost tables to the ranking: the exact search over all combinations."""

from __future__ import annotations

from pathlib import Path
from typing import Any, Sequence

import numpy as np

from ..cost import COSTS, CostTables
from ..rating import load_ratings
from ..search import BlockTable, Solution, pareto_front, search
from ..settings.sections import SearchSettings
from ..spaces.chain import Block, Chain
from .tasks import supernet_id

__all__ = ['block_ratings', 'check_limits', 'front', 'rank']

_LIMITS = tuple(f'max_{cost}' for cost in COSTS)


def check_limits(chain: Chain, costs: CostTables, settings: SearchSettings) -> int:
    """See that some architecture keeps the limits.

    Returns
    -------
    int
        How many of the ``top_k`` that are asked for do.

    Raises
    ------
    InfeasibleError
        If none does; carries the cheapest possible cost of each kind.
    """
    alike = [np.zeros(block.paths) for block in chain.blocks]
    return len(_search(chain, costs, alike, settings))


def rank(chain: Chain, costs: CostTables, ratings: Sequence[np.ndarray], settings: SearchSettings) -> list[dict[str, Any]]:
    """The best architectures under the limits, best first.

    Parameters
    ----------
    chain
        The blocks.
    costs
        Of every path.
    ratings
        Per block (paths,), smaller is better.
    settings
        The ``search`` section.

    Returns
    -------
    list of dict
        Per architecture: ``rank``, ``architecture`` (an NNI sample), ``rating`` (total), ``block_ratings`` and a value for
        each of ``COSTS``. Fewer than ``top_k`` where fewer keep the limits.
    """
    ranking = []
    for position, solution in enumerate(_search(chain, costs, ratings, settings), start=1):
        cost = costs.total(chain, solution.paths)
        ranking.append({
            'rank': position,
            'architecture': chain.architecture(solution.paths),
            'rating': solution.rating,
            'block_ratings': [float(table[path]) for table, path in zip(ratings, solution.paths)],
            'params': cost.params,
            'madds': cost.madds,
        })
    return ranking


def block_ratings(root: Path, block: Block) -> np.ndarray:
    """(paths,) The ratings of a block, from the tables in a work folder; smaller is better.

    Raises
    ------
    ResultError
        If a table is missing or damaged, or rates other paths.
    """
    rated: dict[str, np.ndarray] = {}
    for name in block.supernets:
        cells = block.cells_of(name)
        tables = load_ratings(root / supernet_id(block, name) / 'ratings.npz', cells)
        rated.update(zip((cell.name for cell in cells), tables))
    return np.concatenate([rated[cell.name] for cell in block.cells])


def front(chain: Chain, costs: CostTables, ratings: Sequence[np.ndarray], cost: str) -> list[tuple[float, float]]:
    """All best trade-offs of the rating and one cost over all combinations, limits aside.

    Parameters
    ----------
    chain, costs, ratings
        As for `rank`.
    cost
        One of ``COSTS``.

    Returns
    -------
    list of tuple
        (cost, rating) of each, in ascending order of the cost and so of ever smaller ratings.

    Raises
    ------
    SearchSizeError
        If there are too many.
    """
    column = COSTS.index(cost)
    found = pareto_front(_tables(chain, costs, ratings), cost=column, limits=[np.inf] * len(COSTS),
                         tail_costs=costs.rest.astype(np.float64))
    return [(point.costs[column], point.rating) for point in found.points]


def _tables(chain: Chain, costs: CostTables, ratings: Sequence[np.ndarray]) -> list[BlockTable]:
    tables = []
    for block, cost, rating in zip(chain.blocks, costs.blocks, ratings):
        border = np.repeat(block.cell_borders, [cell.paths for cell in block.cells])
        tables.append(BlockTable(ratings=rating, costs=cost.astype(np.float64), border=border))
    return tables


def _search(chain: Chain, costs: CostTables, ratings: Sequence[np.ndarray],
            settings: SearchSettings) -> tuple[Solution, ...]:
    tables = _tables(chain, costs, ratings)
    limits = [getattr(settings, name) or np.inf for name in _LIMITS]
    names = [f'search.{name}' for name in _LIMITS]
    return search(tables, limits=limits, top_k=settings.top_k, tail_costs=costs.rest.astype(np.float64),
                  limit_names=names).solutions
