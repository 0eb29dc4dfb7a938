"""The distillation loss of a block's supernets over the epochs."""

from __future__ import annotations

from typing import Mapping, Sequence

import numpy as np
from matplotlib.figure import Figure
from matplotlib.ticker import MaxNLocator

from .style import LINES, panel

__all__ = ['draw_losses']

_MOST_IN_COLUMN = 8
_STYLES = ('-', (0, (5, 2)), (0, (1, 1.5)))


def draw_losses(block: str, losses: Mapping[str, Sequence[float | None]]) -> Figure:
    """A line per supernet.

    Parameters
    ----------
    block
        The block's name.
    losses
        Cell (or supernet) to its mean loss in each epoch; None in one in which it was not trained.
    """
    figure, axes = panel()
    for number, (name, values) in enumerate(losses.items()):
        line = _STYLES[number // len(LINES) % len(_STYLES)]
        axes.plot(range(1, len(values) + 1), np.array(values, dtype=float), color=LINES[number % len(LINES)], linestyle=line,
                  marker='o' if len(values) < 3 else None, markersize=4, label='all cells' if name == 'only' else name)
    axes.set_title(block)
    axes.set_xlabel('epoch')
    axes.set_ylabel('mean squared error\n(smaller is better)')
    axes.xaxis.set_major_locator(MaxNLocator(8, integer=True, min_n_ticks=1))
    if len(losses) > 1:
        axes.legend(title='cell', title_fontsize=9, ncols=1 + (len(losses) - 1) // _MOST_IN_COLUMN,
                    fontsize=9 if len(losses) <= _MOST_IN_COLUMN else 7)
    return figure
