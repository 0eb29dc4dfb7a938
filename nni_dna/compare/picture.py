"""Accuracy against a cost, a mark per strategy."""

from __future__ import annotations

from typing import Sequence

from matplotlib.figure import Figure
from matplotlib.ticker import PercentFormatter

from ..report.pictures.labels import name_points
from ..report.pictures.style import BLUE, GREY, ORANGE, amounts_on, panel, style
from .table import StrategyRow

__all__ = ['draw_cost']


def draw_cost(rows: Sequence[StrategyRow], attribute: str, label: str) -> Figure:
    """Mean accuracy, with its deviation, against a cost of the search or of what it chose.

    Parameters
    ----------
    rows
        The table's.
    attribute
        Which cost: an attribute of the rows.
    label
        Of its axis.
    """
    with style():
        figure, axes = panel(4.2)
        points = [(getattr(row, attribute), row.accuracy) for row in rows]
        for row, (cost, accuracy) in zip(rows, points):
            colour = ORANGE if row.strategy == 'dna' else BLUE
            axes.errorbar(cost, accuracy, yerr=row.deviation or 0, fmt='D' if row.strategy == 'dna' else 'o', color=colour,
                          ecolor=GREY, elinewidth=1, capsize=2, markersize=6,
                          markerfacecolor='white' if row.over_limit else colour)
        axes.margins(x=0.2, y=0.12)
        axes.set_xlabel(label)
        axes.set_ylabel('test accuracy (mean, deviation)')
        axes.set_xlim(left=0)
        amounts_on(axes)
        axes.yaxis.set_major_formatter(PercentFormatter(1.0, decimals=None))
        name_points(axes, points, [row.strategy for row in rows], color='#555555', fontsize=8.5)
    return figure
