"""Rating, and accuracy, against a cost: the ranked architectures, the exact Pareto front, published models."""

from __future__ import annotations

from typing import Sequence

from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.ticker import PercentFormatter

from .labels import name_points
from .style import BLUE, GREY, ORANGE, amount, amounts_on, panel

__all__ = ['draw_accuracy', 'draw_rating']

Point = tuple[float, float]


def draw_rating(axis: str, front: Sequence[Point], ranked: Sequence[Point], limit: float | None) -> Figure:
    """Rating against a cost.

    Parameters
    ----------
    axis
        The cost with its unit.
    front
        (cost, rating) of the Pareto front, in ascending order of the cost.
    ranked
        (cost, rating) of the ranked architectures, best first.
    limit
        The most that the search allowed.
    """
    figure, axes = panel()
    if front:
        axes.plot(*zip(*front), '.-', drawstyle='steps-post', color=BLUE, linewidth=1.3, markersize=4,
                  label=f'Pareto front of all ({len(front)} points)')
    axes.plot(*zip(*ranked), 'D', color=ORANGE, markersize=6, label='ranked' + (', by rank' if len(ranked) > 1 else ''))
    _finish(axes, axis, 'rating (smaller is better)', limit)
    _legend_above(axes)
    name_points(axes, [*ranked, *front], _ranks(ranked), color=ORANGE, fontsize=9, fontweight='bold')
    return figure


def draw_accuracy(axis: str, quality: str, percent: bool, ranked: Sequence[tuple[int, float, float]],
                  published: Sequence[tuple[str, float, float]], limit: float | None) -> Figure:
    """Accuracy against a cost.

    Parameters
    ----------
    axis, quality
        What is on the axes, with units and sense.
    percent
        Whether the quality is a share.
    ranked
        (rank, cost, accuracy) of what is retrained.
    published
        (name, cost, accuracy) of published models.
    limit
        The most that the search allowed.
    """
    figure, axes = panel(4.2 if published else 3.3)
    others = [(cost, accuracy) for _, cost, accuracy in published]
    own = [(cost, accuracy) for _, cost, accuracy in ranked]
    if others:
        axes.plot(*zip(*others), 'o', color=GREY, markersize=5, label='published')
    axes.plot(*zip(*own), 'D', color=ORANGE, markersize=6, label='searched and retrained, by rank')
    axes.margins(x=0.12, y=0.15)
    _finish(axes, axis, quality, limit)
    if percent:
        axes.yaxis.set_major_formatter(PercentFormatter(1.0, decimals=None))
        low, high = axes.get_ylim()
        axes.set_ylim(low, min(high, 1 + 0.08 * (1 - low)))
    if others:
        _legend_above(axes)
    name_points(axes, [*own, *others], [str(rank) for rank, _, _ in ranked], color=ORANGE, fontsize=9, fontweight='bold')
    name_points(axes, [*others, *own], [name for name, _, _ in published], color='#555555', fontsize=8)
    return figure


def _ranks(ranked: Sequence[Point]) -> list[str]:
    return [str(rank) for rank in range(1, len(ranked) + 1)]


def _finish(axes: Axes, axis: str, quality: str, limit: float | None) -> None:
    axes.set_xlabel(axis)
    axes.set_ylabel(quality)
    amounts_on(axes)
    if limit is not None:
        axes.axvline(limit, color=GREY, linewidth=1, linestyle=(0, (4, 3)))
        axes.annotate(f'limit {amount(limit)}', (limit, 0.55), xycoords=('data', 'axes fraction'), xytext=(-3, 0),
                      textcoords='offset points', rotation=90, ha='right', va='center', fontsize=8.5, color='#555555')


def _legend_above(axes: Axes) -> None:
    axes.legend(loc='lower left', bbox_to_anchor=(-0.02, 1.0), ncols=2, borderpad=0.2, columnspacing=1.4, handletextpad=0.5)
