"""A network layer by layer, from the image at the top to the classes at the bottom."""

from __future__ import annotations

from itertools import groupby
from typing import Sequence

from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.patches import FancyBboxPatch, Rectangle

from ..facts.layers import LayerFacts
from .style import BLUE, INK, WIDTH, amount

__all__ = ['draw_network']

# Inches.
_ROW, _HEAD, _GAP = 0.32, 0.3, 0.12
_LINE, _BOX, _BOX_WIDTH = 0.3, 0.15, 2.35
_CHANNELS, _PIXELS, _BAR, _BAR_WIDTH = 2.85, 3.4, 3.85, 0.62
_MOST_LETTERS = 31

_BY_KERNEL = {None: '#eeeeee', 1: '#eeeeee', 3: '#cfe3f2', 5: '#fbdcc4', 7: '#c9e8dd'}


def draw_network(layers: Sequence[LayerFacts]) -> Figure:
    """A box per layer, coloured by kernel, and a bar for its multiply-adds.

    Parameters
    ----------
    layers
        In the order in which they run.
    """
    groups = [(key, list(group)) for key, group in groupby(layers, key=lambda layer: (layer.block, layer.cell))]
    height = _HEAD + sum(_HEAD + _ROW * len(group) + _GAP for _, group in groups)
    figure = Figure(figsize=(WIDTH, height))
    axes = figure.add_axes((0, 0, 1, 1))
    axes.set_xlim(0, WIDTH)
    axes.set_ylim(height, 0)  # downwards
    axes.set_axis_off()
    for x, text, side in ((_BOX, 'layer: kernel, expansion', 'left'), (_CHANNELS, 'width', 'right'),
                          (_PIXELS, 'pixels', 'center'), (_BAR, 'multiply-adds', 'left')):
        axes.text(x, _HEAD / 2 + 0.02, text, ha=side, va='center', fontsize=8.5, color='#555555')
    dearest = max(layer.cost.madds for layer in layers)
    y, above = _HEAD, None
    for (block, cell), group in groups:
        axes.add_patch(Rectangle((0.04, y), WIDTH - 0.08, _HEAD + _ROW * len(group) + 0.04, color='#f6f6f6', linewidth=0))
        axes.text(_LINE + 0.12, y + _HEAD / 2, block, va='center', fontsize=9.5, fontweight='bold')
        if cell and cell != 'only':
            text = _cut(cell.replace(',', ', '), 72)
            axes.text(_LINE + 0.78, y + _HEAD / 2, text, va='center', color='#555555', fontsize=8.5 if len(text) < 50 else 6.5)
        y += _HEAD
        for layer in group:
            _draw_layer(axes, layer, y, dearest)
            if above is not None:
                axes.plot([_LINE, _LINE], [above - 0.03, y + 0.03], color='#9a9a9a', linewidth=1.2, solid_capstyle='butt')
            y += _ROW
            above = y
        y += _GAP
    return figure


def _draw_layer(axes: Axes, layer: LayerFacts, y: float, dearest: int) -> None:
    middle = y + _ROW / 2
    axes.add_patch(FancyBboxPatch((_BOX + 0.03, y + 0.06), _BOX_WIDTH - 0.06, _ROW - 0.12, linewidth=0.7, edgecolor='#9a9a9a',
                                  boxstyle='round,pad=0.03,rounding_size=0.05',
                                  facecolor=_BY_KERNEL.get(layer.kernel, '#e6dcf0')))
    words = _cut(_words(layer), _MOST_LETTERS)
    chosen = ','.join(value for value in layer.chosen.values() if isinstance(value, str))  # numbers are among the words
    axes.text(_BOX + 0.1, middle, words, va='center', fontsize=9)
    if len(words) + len(chosen) < _MOST_LETTERS:
        axes.text(_BOX + _BOX_WIDTH - 0.08, middle, chosen, ha='right', va='center', fontsize=8, color='#666666')
    if layer.shape is not None:
        axes.text(_CHANNELS, middle, f'{layer.shape[0]}', ha='right', va='center', fontsize=9)
        axes.text(_PIXELS, middle, '\u00d7'.join(map(str, layer.shape[1:])), ha='center', va='center', fontsize=9)
    length = _BAR_WIDTH * layer.cost.madds / max(dearest, 1)
    axes.add_patch(Rectangle((_BAR, y + 0.09), length, _ROW - 0.18, facecolor=BLUE, edgecolor='none'))
    axes.text(_BAR + length + 0.05, middle, amount(layer.cost.madds), va='center', fontsize=8.5, color=INK)


def _words(layer: LayerFacts) -> str:
    kernel = f' {layer.kernel}\u00d7{layer.kernel}' if layer.kernel else ''
    expansion = f' \u00d7{layer.expansion:.3g}' if layer.expansion is not None and layer.expansion > 1 else ''
    return f'{layer.operation}{kernel}{expansion}{" SE" if layer.squeezes else ""}'


def _cut(text: str, most: int) -> str:
    return text if len(text) <= most else text[:most - 1] + '\u2026'
