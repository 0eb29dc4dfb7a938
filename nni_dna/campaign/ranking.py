"""From rating and cost tables to the ranking: the exact search over all combinations."""

from __future__ import annotations

from typing import Any, Protocol, Sequence

import numpy as np

from ..errors import SettingsError, nearest
from ..search import BlockTable, Solution, pareto_front, search
from ..settings.sections import SearchSettings
from ..spaces.chain import Chain

__all__ = ['Costs', 'block_weights', 'check_limits', 'rank', 'ranking_head', 'trade_offs']


class Costs(Protocol):
    """The costs of all rated paths: see :class:`nni_dna.cost.CostTables`."""

    @property
    def names(self) -> tuple[str, ...]:
        """Of the last axes, such as ``params``; the limit on a cost is ``max_`` and its name."""

    @property
    def whole(self) -> Sequence[bool]:
        """Per cost, whether it is a whole number."""

    @property
    def peaks(self) -> Sequence[int]:
        """Which of the costs have the largest part as a network's total, and not the sum."""

    def columns(self) -> list[np.ndarray]:
        """Per block (borders of the block before, paths, costs), and last (borders of the last block, costs) for all that is
        outside the blocks; float64."""


def block_weights(chain: Chain, settings: SearchSettings) -> dict[str, float]:
    """How much the rating of each block counts in the sum: lambda of the paper's section 3.4.

    Raises
    ------
    SettingsError
        If there is not one number for each block, or a block of that name is unknown, or nothing counts.
    """
    names = [block.name for block in chain.blocks]
    given = settings.weights if settings.weights is not None else {}
    if isinstance(given, list):
        if len(given) != len(names):
            raise SettingsError(f'search.weights: expected one number for each of the {len(names)} blocks '
                                f'({", ".join(names)}), got {len(given)}; name blocks to weight some only, such as '
                                f'{{{names[-1]}: 0.5}}')
        given = dict(zip(names, given))
    for name in given:
        if name not in names:
            raise SettingsError(f'search.weights: the space has no block {name!r}; {nearest(name, names)}')
    weights = {name: given.get(name, 1.0) for name in names}
    if not any(weights.values()):
        raise SettingsError('search.weights: expected a number above 0 for one block at least, got 0 for all; no rating would '
                            'count')
    return weights


def check_limits(chain: Chain, costs: Costs, settings: SearchSettings) -> int:
    """See that some architecture keeps the limits, and that the weights are those of the blocks.

    Returns
    -------
    int
        How many of the ``top_k`` that are asked for do.

    Raises
    ------
    InfeasibleError
        If none does; carries the cheapest possible cost of each kind.
    SettingsError
        If the weights do not fit the blocks, or there is a limit on a cost that was not counted.
    """
    alike = [np.zeros(block.paths) for block in chain.blocks]
    return len(search(**_problem(chain, costs, alike, settings), top_k=settings.top_k).solutions)


def rank(chain: Chain, costs: Costs, ratings: Sequence[np.ndarray], settings: SearchSettings) -> list[dict[str, Any]]:
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
        Per architecture: ``rank``, ``architecture`` (an NNI sample), ``rating`` (the sum of the blocks', each times its
        weight), ``block_ratings`` (without weights) and a value for each cost. Fewer than ``top_k`` where fewer keep the
        limits.

    Raises
    ------
    InfeasibleError, SettingsError
        As `check_limits`.
    """
    found = search(**_problem(chain, costs, ratings, settings), top_k=settings.top_k).solutions
    return [{'rank': position, **_entry(chain, costs, ratings, solution)} for position, solution in enumerate(found, start=1)]


def trade_offs(chain: Chain, costs: Costs, ratings: Sequence[np.ndarray], settings: SearchSettings,
               cost: str) -> list[dict[str, Any]]:
    """The Pareto front: all best trade-offs between the rating and one cost under the limits.

    Parameters
    ----------
    chain, costs, ratings, settings
        As for `rank`; ``top_k`` does not matter.
    cost
        One of the costs' names.

    Returns
    -------
    list of dict
        As `rank` gives them, without a rank: in ascending order of the cost, and so of ever better ratings.

    Raises
    ------
    InfeasibleError, SettingsError
        As `check_limits`, or if there is no such cost.
    """
    if cost not in costs.names:
        raise SettingsError(f'front: expected one of the costs {", ".join(costs.names)}, got {cost!r}; '
                            f'{nearest(cost, costs.names)}')
    found = pareto_front(**_problem(chain, costs, ratings, settings), cost=costs.names.index(cost)).points
    return [_entry(chain, costs, ratings, solution) for solution in found]


def ranking_head(chain: Chain, costs: Costs, settings: SearchSettings) -> dict[str, Any]:
    """What a ranking says beside its architectures: what was asked, and of how many they are the best."""
    return {'version': 1, 'limits': {f'max_{name}': settings.limits[f'max_{name}'] for name in costs.names},
            'block_weights': block_weights(chain, settings),
            'architectures_in_space': chain.all_architectures,
            'paths': {block.name: {'rated': block.paths, 'of': block.all_paths} for block in chain.blocks}}


def _entry(chain: Chain, costs: Costs, ratings: Sequence[np.ndarray], solution: Solution) -> dict[str, Any]:
    """An architecture of the ranking. The search has added it up again from the tables, which hold whole numbers exactly."""
    totals = [int(cost) if whole else float(cost) for cost, whole in zip(solution.costs, costs.whole)]
    return {'architecture': chain.architecture(solution.paths), 'rating': solution.rating,
            'block_ratings': [float(table[path]) for table, path in zip(ratings, solution.paths)],
            **dict(zip(costs.names, totals))}


def _problem(chain: Chain, costs: Costs, ratings: Sequence[np.ndarray], settings: SearchSettings) -> dict[str, Any]:
    """What `search` and `pareto_front` are told: weighted ratings, costs and limits."""
    weights = block_weights(chain, settings).values()
    for name, limit in settings.limits.items():
        if limit is not None and name.removeprefix('max_') not in costs.names:
            raise SettingsError(f'search.{name}: there is a limit on a cost that was not counted; counted are '
                                f'{", ".join(costs.names)}; start the experiment again with this limit')
    *blocks, rest = costs.columns()
    tables = [BlockTable(ratings=weight * rating, costs=cost,
                         border=np.repeat(block.cell_borders, [cell.paths for cell in block.cells]))
              for block, cost, rating, weight in zip(chain.blocks, blocks, ratings, weights)]
    names = [f'max_{name}' for name in costs.names]
    limits = [settings.limits.get(name) for name in names]
    return {'tables': tables, 'limits': [np.inf if limit is None else limit for limit in limits],
            'limit_names': [f'search.{name}' for name in names], 'tail_costs': rest, 'peaks': costs.peaks}
