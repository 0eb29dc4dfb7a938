"""How the ratings of a block's paths are spread, cell by cell, and where the chosen path lies."""

from __future__ import annotations

from typing import Sequence

import numpy as np
from matplotlib.figure import Figure

from ..facts.folder import CellRatings
from .style import BLUE, ORANGE, panel

__all__ = ['draw_ratings', 'place_in_block']

_BINS = 40
_MOST_TICKS = 400


def draw_ratings(block: str, cells: Sequence[CellRatings]) -> Figure:
    """A row per cell: a histogram of its paths' ratings, each cell to the same height, over a tick for each path.

    Parameters
    ----------
    block
        The block's name.
    cells
        Its cells; what is not finite is left out.
    """
    figure, axes = panel(1.2 + 0.48 * max(len(cells), 3))
    finite = [cell.ratings[np.isfinite(cell.ratings)] for cell in cells]
    everything = np.concatenate(finite)
    edges = np.histogram_bin_edges(everything, bins=_BINS)
    for row, (cell, ratings) in enumerate(zip(reversed(cells), reversed(finite))):
        if len(ratings):
            counts = np.histogram(ratings, edges)[0]
            axes.stairs(row + 0.72 * counts / counts.max(), edges, baseline=row, fill=True, color=BLUE, alpha=0.35, linewidth=0)
            if len(ratings) <= _MOST_TICKS:
                axes.plot(ratings, np.full(len(ratings), row), '|', color=BLUE, markersize=5, markeredgewidth=0.8)
        if cell.chosen is not None:
            axes.plot([cell.chosen], [row], 'D', color=ORANGE, markersize=7, zorder=3)
    axes.set_yticks(range(len(cells)), [f'{cell.name}\n{len(cell.ratings):,} paths' for cell in reversed(cells)])
    axes.set_ylim(-0.35, len(cells) - 0.1)
    axes.grid(axis='y', visible=False)
    axes.tick_params(axis='y', length=0)
    axes.set_xlabel('rating (smaller is better)')
    axes.set_title(block)
    return figure


def place_in_block(cells: Sequence[CellRatings]) -> tuple[int, int] | None:
    """(place, paths): the chosen path's place among all of the block, 1 being the best; None where none is chosen."""
    chosen = next((cell.chosen for cell in cells if cell.chosen is not None), None)
    if chosen is None:
        return None
    everything = np.concatenate([cell.ratings for cell in cells])
    return 1 + int((everything < chosen).sum()), len(everything)
