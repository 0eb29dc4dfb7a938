"""How the ratings of a block's paths are spread, cell by cell, and where the chosen path lies."""

from __future__ import annotations

from typing import Sequence

import numpy as np
from matplotlib.figure import Figure

from ..facts.folder import CellRatings
from .style import BLUE, ORANGE, panel

__all__ = ['MOST_CELLS', 'draw_ratings', 'place_in_block']

MOST_CELLS = 20
"""More are not drawn: those with the best paths are."""

_BINS = 40
_FEW, _MOST_TICKS = 30, 400


def draw_ratings(block: str, cells: Sequence[CellRatings]) -> Figure:
    """A row per cell: a tick for each path, on them a histogram where there are many, and the chosen path.

    Parameters
    ----------
    block
        The block's name.
    cells
        Its cells; what is not finite is left out.
    """
    shown = _best(cells)
    figure, axes = panel(1.0 + 0.44 * max(len(shown), 3))
    finite = [cell.ratings[np.isfinite(cell.ratings)] for cell in shown]
    edges = np.histogram_bin_edges(np.concatenate(finite), bins=_BINS)
    for row, (cell, ratings) in enumerate(zip(reversed(shown), reversed(finite))):
        many = len(ratings) > _FEW
        if many:
            counts = np.histogram(ratings, edges)[0]
            axes.stairs(row + 0.72 * counts / counts.max(), edges, baseline=row, fill=True, color=BLUE, alpha=0.35)
        if len(ratings) <= _MOST_TICKS:
            axes.vlines(ratings, row, row + (0.12 if many else 0.5), color=BLUE, linewidth=0.8 if many else 1.2)
        if cell.chosen is not None:
            axes.plot([cell.chosen], [row], 'D', color=ORANGE, markersize=7, zorder=3, clip_on=False)
    axes.set_yticks(np.arange(len(shown)) + 0.3, [_name(cell, bool(_labels(shown))) for cell in reversed(shown)])
    axes.set_ylim(-0.25, len(shown) - 0.1)
    axes.grid(axis='y', visible=False)
    axes.tick_params(axis='y', length=0, labelsize=8.5)
    axes.set_xlabel('rating (smaller is better)')
    labels = _labels(shown)
    axes.set_title(block, pad=18 if labels else None)
    if labels:
        axes.annotate(f'cells by {", ".join(labels)}', (0, 1), (0, 5), xycoords='axes fraction', textcoords='offset points',
                      fontsize=8, color='#555555')
    return figure


def _best(cells: Sequence[CellRatings]) -> list[CellRatings]:
    """The cells to draw, in their order."""
    by_best = sorted(cells, key=lambda cell: (cell.chosen is None, cell.ratings.min()))
    kept = {id(cell) for cell in by_best[:MOST_CELLS]}
    return [cell for cell in cells if id(cell) in kept]


def _labels(cells: Sequence[CellRatings]) -> list[str]:
    """The labels whose values tell the cells apart, where they are several: too long to stand in every row."""
    labels = list(dict.fromkeys(label for cell in cells for label in cell.choice))
    return labels if len(labels) > 1 else []


def _name(cell: CellRatings, values_only: bool) -> str:
    name = ', '.join(str(value) for value in cell.choice.values()) if values_only else cell.name
    return f'{"one cell" if name == "only" else name}\n{len(cell.ratings):,} path{"s" if len(cell.ratings) > 1 else ""}'


def place_in_block(cells: Sequence[CellRatings]) -> tuple[int, int] | None:
    """(place, paths): the chosen path's place among all of the block, 1 being the best; None where none is chosen."""
    chosen = next((cell.chosen for cell in cells if cell.chosen is not None), None)
    if chosen is None:
        return None
    everything = np.concatenate([cell.ratings for cell in cells])
    return 1 + int((everything < chosen).sum()), len(everything)
