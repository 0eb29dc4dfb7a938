"""What the search would have found after each epoch of the supernets' training."""

from __future__ import annotations

from typing import Sequence

from matplotlib.figure import Figure
from matplotlib.ticker import MaxNLocator, PercentFormatter

from ..facts.over_training import EpochResult
from .style import BLUE, GREY, ORANGE, WIDTH

__all__ = ['draw_over_training']


def draw_over_training(results: Sequence[EpochResult], losses: Sequence[float], quality: str, percent: bool) -> Figure:
    """Loss, rating of the best, and its accuracy after retraining, one above the other over the same epochs.

    Parameters
    ----------
    results
        In ascending order of the epochs.
    losses
        The loss of each epoch, mean over all supernets, from epoch 1.
    quality
        What the accuracy is.
    percent
        Whether it is a share.
    """
    reached = [(result.epoch, result.accuracy) for result in results if result.accuracy is not None]
    rows = [(list(enumerate(losses, start=1)), 'mean loss of the supernets (smaller is better)', GREY),
            ([(result.epoch, result.rating) for result in results], 'rating of the best architecture (smaller is better)', BLUE),
            (reached, f'its {quality}', ORANGE)]
    rows = [row for row in rows if row[0]]
    figure = Figure(figsize=(WIDTH, 0.5 + 1.45 * len(rows)), layout='constrained')
    panels = figure.subplots(len(rows), 1, sharex=True, squeeze=False)[:, 0]
    for axes, (points, name, colour) in zip(panels, rows):
        axes.plot(*zip(*points), '-o', color=colour, markersize=4)
        axes.set_title(name, fontweight='normal')
    if reached and percent:
        panels[-1].yaxis.set_major_formatter(PercentFormatter(1.0, decimals=None))
    panels[-1].xaxis.set_major_locator(MaxNLocator(8, integer=True, min_n_ticks=1))
    panels[-1].set_xlabel('epochs of the supernets\' training')
    return figure
