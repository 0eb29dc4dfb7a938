"""Numbers as people write them: ``4.2M``, ``350k``, ``1.5G``."""

from __future__ import annotations

import math
import re
from decimal import Decimal
from typing import Any

__all__ = ['parse_quantity']

_SUFFIXES = {'': 1, 'k': 10**3, 'K': 10**3, 'm': 10**6, 'M': 10**6, 'g': 10**9, 'G': 10**9, 'B': 10**9}
_NUMBER = re.compile(r'\s*([+-]?\d+(?:\.\d*)?(?:[eE][+-]?\d+)?)\s*([kKmMgGB]?)\s*')


def parse_quantity(value: Any) -> float:
    """The number that a quantity stands for.

    Parameters
    ----------
    value
        A number, or text such as ``4.2M``.

    Raises
    ------
    ValueError
        If it is no finite number.
    """
    if isinstance(value, bool):
        raise ValueError('a truth value is no number')
    if isinstance(value, str):
        match = _NUMBER.fullmatch(value)
        if match is None:
            raise ValueError(f'{value!r} is no number such as 4.2M')
        value = float(Decimal(match[1]) * _SUFFIXES[match[2]])  # 2.01M is 2010000, which float('2.01') * 10**6 is not
    if not isinstance(value, (int, float)) or not math.isfinite(value):
        raise ValueError(f'{value!r} is no finite number')
    return float(value)
