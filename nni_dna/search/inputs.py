"""The checks on what the search is given."""

from __future__ import annotations

from typing import Sequence

import numpy as np
from numpy.typing import NDArray

from nni_dna.errors import SettingsError
from nni_dna.search.tables import BlockTable

__all__ = ['check_cost', 'check_limit_names', 'check_limits', 'check_peaks', 'check_tables', 'check_tail_costs', 'check_top_k']


def check_tables(tables: Sequence[BlockTable]) -> None:
    """Check that every block has a path to choose and that the blocks fit each other."""
    if not tables:
        raise SettingsError('Expected `tables` to hold at least one block, but got none.')
    costs, states, magnitude = tables[0].costs.shape[2], 1, np.zeros(1 + tables[0].costs.shape[2])
    for number, table in enumerate(tables):
        if table.costs.shape[2] != costs:
            raise SettingsError(f'Expected all `tables` to have {costs} costs as the first, but table {number} has '
                                f'{table.costs.shape[2]}.')
        if table.costs.shape[0] != states and number == 0:
            raise SettingsError('Expected the first of `tables` to have one border state before it (B_in = 1), but '
                                f'got {table.costs.shape[0]}.')
        if table.costs.shape[0] < states:
            raise SettingsError(f'Expected table {number} to have costs for at least {states} border states, since '
                                f'paths of table {number - 1} end in border state {states - 1}, but got '
                                f'{table.costs.shape[0]}.')
        usable = np.isfinite(table.ratings)
        if not usable.any():
            raise SettingsError(f'Expected at least one path with a finite rating in every block, but table {number} '
                                f'has none among its {len(usable)} paths; rate the block again.')
        with np.errstate(over='ignore'):
            magnitude[0] += np.abs(table.ratings[usable]).max()
            magnitude[1:] += np.abs(table.costs[:, usable]).max(axis=(0, 1))
        states = int(table.border.max()) + 1
    if not np.isfinite(magnitude).all():
        raise SettingsError('The ratings or costs of `tables` are so large that their sums overflow; scale them.')


def check_limits(limits: Sequence[float], count: int) -> NDArray[np.float64]:
    """Return the limits as an array, shape ``(C,)``."""
    checked = np.asarray(limits, dtype=np.float64)
    if checked.shape != (count,):
        raise SettingsError(f'Expected `limits` to hold one number for each of the {count} costs, but got shape '
                            f'{checked.shape}; use inf for a cost without a limit.')
    if np.isnan(checked).any():
        raise SettingsError('Expected `limits` to hold numbers, but got NaN; use inf for a cost without a limit.')
    return checked


def check_tail_costs(tail_costs: NDArray[np.float64] | None, tables: Sequence[BlockTable]) -> NDArray[np.float64]:
    """Return the costs behind the last block, shape ``(B_last, C)``; zeros if there are none."""
    states, count = int(tables[-1].border.max()) + 1, tables[-1].costs.shape[2]
    if tail_costs is None:
        return np.zeros((states, count))
    checked = np.asarray(tail_costs, dtype=np.float64)
    if checked.ndim != 2 or checked.shape[0] < states or checked.shape[1] != count:
        raise SettingsError(f'Expected `tail_costs` of shape ({states} or more, {count}), but got {checked.shape}.')
    if not np.isfinite(checked).all():
        raise SettingsError('Expected `tail_costs` to be finite, but got NaN or infinity.')
    return checked


def check_top_k(top_k: int) -> int:
    """Return the number of solutions wanted."""
    if isinstance(top_k, bool) or not isinstance(top_k, (int, np.integer)) or top_k < 1:
        raise SettingsError(f'Expected `top_k` to be a whole number of at least 1, but got {top_k!r}.')
    return int(top_k)


def check_limit_names(limit_names: Sequence[str] | None, count: int) -> tuple[str, ...]:
    """Return a name for every limit, ``cost 0`` and so on if there are none."""
    if limit_names is None:
        return tuple(f'cost {number}' for number in range(count))
    if isinstance(limit_names, str) or len(limit_names) != count or len(set(limit_names)) != count:
        raise SettingsError(f'Expected `limit_names` to hold {count} different names, one per limit, but got '
                            f'{limit_names!r}.')
    return tuple(limit_names)


def check_cost(cost: int, count: int) -> int:
    """Return which cost it is."""
    if isinstance(cost, bool) or not isinstance(cost, (int, np.integer)) or not 0 <= cost < count:
        raise SettingsError(f'Expected `cost` to be one of the {count} costs, counted from 0, but got {cost!r}.')
    return int(cost)


def check_peaks(peaks: Sequence[int], count: int) -> NDArray[np.bool_]:
    """Return which costs they are, as a mask of shape ``(C,)``."""
    mask = np.zeros(count, dtype=bool)
    for cost in peaks:
        if isinstance(cost, bool) or not isinstance(cost, (int, np.integer)) or not 0 <= cost < count:
            raise SettingsError(f'Expected `peaks` to hold some of the {count} costs, counted from 0, but got {cost!r}.')
        mask[cost] = True
    return mask
