"""From rating and cost tables to the ranking: the exact search over all combinations."""

from __future__ import annotations

from typing import Any, Sequence

import numpy as np

from ..cost import COSTS, CostTables
from ..search import BlockTable, Solution, search
from ..settings.sections import SearchSettings
from ..spaces.chain import Chain

__all__ = ['check_limits', 'limits_of', 'rank']


def limits_of(costs: CostTables, settings: SearchSettings) -> dict[str, float | None]:
    """The limit on each cost, by its setting's name; None where there is none."""
    names = [f'max_{cost}' for cost in (*COSTS, *(cost.name for cost in costs.further))]
    return {name: getattr(settings, name) for name in names}


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
        each of ``COSTS`` and of the further costs. Fewer than ``top_k`` where fewer keep the limits.
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
            **{further.name: further.total(chain, solution.paths) for further in costs.further},
        })
    return ranking


def _search(chain: Chain, costs: CostTables, ratings: Sequence[np.ndarray],
            settings: SearchSettings) -> tuple[Solution, ...]:
    tables = []
    for block, cost, rating in zip(chain.blocks, costs.columns(), ratings):
        border = np.repeat(block.cell_borders, [cell.paths for cell in block.cells])
        tables.append(BlockTable(ratings=rating, costs=cost, border=border))
    limits = limits_of(costs, settings)
    return search(tables, limits=[limit or np.inf for limit in limits.values()], top_k=settings.top_k,
                  tail_costs=costs.columns()[-1], limit_names=[f'search.{name}' for name in limits], peaks=costs.peaks).solutions
