"""Feature maps of teacher (top) and student (bottom) side by side."""

from __future__ import annotations

import torch
from matplotlib.figure import Figure

from ..facts.feature_maps import BlockMaps
from .style import WIDTH

__all__ = ['draw_feature_maps', 'draw_image']


def draw_feature_maps(maps: BlockMaps) -> Figure:
    """A column per channel; both maps of a column have the colours of the teacher's range.

    Parameters
    ----------
    maps
        Of one block.
    """
    columns = len(maps.channels)
    figure = Figure(figsize=(WIDTH, 1.95), layout='constrained')
    figure.get_layout_engine().set(w_pad=0.02, h_pad=0.02, wspace=0.02, hspace=0.0)  # type: ignore[union-attr,call-arg]
    grid = figure.subplots(2, columns, squeeze=False)
    for column, channel in enumerate(maps.channels):
        low, high = maps.teacher[channel].min().item(), maps.teacher[channel].max().item()
        for row, feature_map in enumerate((maps.teacher, maps.student)):
            axes = grid[row, column]
            axes.imshow(feature_map[channel].numpy(), vmin=low, vmax=high)
            axes.set_xticks([])
            axes.set_yticks([])
            axes.spines[:].set_visible(False)
        grid[0, column].set_title(f'channel {channel}', fontsize=8, fontweight='normal', loc='center', pad=3)
    grid[0, 0].set_ylabel('teacher')
    grid[1, 0].set_ylabel('student')
    return figure


def draw_image(image: torch.Tensor) -> Figure:
    """The held-out image, each channel's values brought to the range from black to white.

    Parameters
    ----------
    image
        (channels, height, width); of three channels in colour, else the first in grey.
    """
    figure = Figure(figsize=(1.3, 1.3), layout='constrained')
    axes = figure.add_subplot()
    low, high = image.amin((1, 2), keepdim=True), image.amax((1, 2), keepdim=True)
    shown = (image - low) / (high - low).clamp_min(1e-12)
    axes.imshow(shown.permute(1, 2, 0).numpy() if len(image) == 3 else shown[0].numpy(), cmap='gray')
    axes.set_axis_off()
    return figure
