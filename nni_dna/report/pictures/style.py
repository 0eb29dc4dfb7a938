"""The one style of all pictures: colours that colour-blind people tell apart (Okabe and Ito), text that a phone can show."""

from __future__ import annotations

import io
from contextlib import contextmanager
from typing import Any, Iterator

import matplotlib
import numpy as np
from matplotlib.axes import Axes
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure
from matplotlib.ticker import EngFormatter
from PIL import Image

__all__ = ['BLUE', 'ORANGE', 'GREY', 'INK', 'LINES', 'WIDTH', 'amount', 'amounts_on', 'panel', 'png', 'style']

WIDTH = 5.0
"""Width of every picture in inches: a point of text is about a pixel on a phone."""

INK, GREY, BLUE, ORANGE = '#222222', '#8a8a8a', '#0072B2', '#D55E00'
LINES = (BLUE, ORANGE, '#009E73', '#CC79A7', '#56B4E9', '#E69F00', '#222222', '#8a8a8a')
"""In the order in which lines take them."""

_COLOURS = 200  # of a PNG; a third of the size that full colour takes, and no difference to the eye

_RULES: Any = {
    'font.family': 'DejaVu Sans', 'font.size': 10, 'axes.titlesize': 10.5, 'axes.titleweight': 'bold',
    'axes.titlelocation': 'left',
    'axes.labelsize': 10, 'xtick.labelsize': 9, 'ytick.labelsize': 9, 'legend.fontsize': 9, 'legend.frameon': False,
    'text.color': INK, 'axes.labelcolor': INK, 'xtick.color': INK, 'ytick.color': INK, 'axes.edgecolor': '#9a9a9a',
    'axes.spines.top': False, 'axes.spines.right': False, 'axes.linewidth': 0.8, 'axes.grid': True, 'axes.axisbelow': True,
    'grid.color': '#e6e6e6', 'grid.linewidth': 0.7, 'lines.linewidth': 1.8, 'xtick.major.width': 0.8, 'ytick.major.width': 0.8,
    'figure.facecolor': 'white', 'image.cmap': 'viridis', 'image.interpolation': 'nearest', 'figure.dpi': 200,
}


@contextmanager
def style() -> Iterator[None]:
    """Draw in the report's style in here, whatever the user's own settings."""
    with matplotlib.rc_context():
        matplotlib.rcdefaults()
        matplotlib.rcParams.update(_RULES)
        yield


def panel(height: float = 3.3) -> tuple[Figure, Axes]:
    """A figure of one pair of axes, ``height`` inches high."""
    figure = Figure(figsize=(WIDTH, height), layout='constrained')
    return figure, figure.add_subplot()


def png(figure: Figure) -> bytes:
    """A figure as a PNG; the same figure gives the same bytes."""
    canvas, content = FigureCanvasAgg(figure), io.BytesIO()
    with style():
        canvas.draw()
    pixels = np.asarray(canvas.buffer_rgba())[:, :, :3]
    Image.fromarray(np.ascontiguousarray(pixels)).quantize(_COLOURS).save(content, format='png', optimize=True)
    return content.getvalue()


def amount(value: float) -> str:
    """A count as people write it: ``4.2 M``, ``350 k``."""
    for limit, suffix in ((1e9, ' G'), (1e6, ' M'), (1e3, ' k')):
        if abs(value) >= limit * 0.9995:
            return f'{value / limit:.3g}{suffix}'
    return f'{value:.3g}'


def amounts_on(axes: Axes) -> None:
    """Write the numbers of the x axis as `amount` does."""
    axes.xaxis.set_major_formatter(EngFormatter())
    axes.xaxis.set_major_locator(matplotlib.ticker.MaxNLocator(6, steps=[1, 2, 2.5, 5, 10]))
