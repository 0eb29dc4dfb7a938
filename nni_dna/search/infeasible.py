"""The error for limits that no combination of paths keeps."""

from __future__ import annotations

from typing import Sequence

import numpy as np
from numpy.typing import NDArray

from nni_dna.errors import InfeasibleError

__all__ = ['infeasible_error']


def infeasible_error(names: Sequence[str], limits: NDArray[np.float64],
                     cheapest: NDArray[np.float64]) -> InfeasibleError:
    """Say which limit is too low, or that they are together, and how low each could be.

    Parameters
    ----------
    names
        One per limit.
    limits
        Shape ``(C,)``.
    cheapest
        Shape ``(C,)``. The smallest possible total of each cost alone.
    """
    details = [f'{name}: the cheapest possible is {_number(least)}, the limit is {_number(limit)}'
               for name, least, limit in zip(names, cheapest, limits)]
    too_low = [number for number in range(len(names)) if cheapest[number] > limits[number]]
    if too_low:
        message = ('No combination of paths meets the limit on '
                   f'{" nor the one on ".join(names[number] for number in too_low)} '
                   f'({"; ".join(details[number] for number in too_low)}); raise the limit.')
    else:
        message = ('No combination of paths meets all limits at once, although each limit alone can be met '
                   f'({"; ".join(details)}); raise the limit of at least one.')
    return InfeasibleError(message, {name: float(least) for name, least in zip(names, cheapest)})


def _number(value: float) -> str:
    """Write a whole number without a fraction, and anything else so that it reads back exactly."""
    return str(int(value)) if float(value).is_integer() else repr(float(value))
