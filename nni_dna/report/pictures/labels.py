"""Put names beside points where they cover nothing."""

from __future__ import annotations

import itertools
from typing import Any, Sequence

from matplotlib.axes import Axes
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure
from matplotlib.transforms import Bbox

__all__ = ['name_points']

_PLACES = ((0, 1, 'center', 'bottom'), (1, 0, 'left', 'center'), (0, -1, 'center', 'top'), (-1, 0, 'right', 'center'),
           (1, 1, 'left', 'bottom'), (1, -1, 'left', 'top'), (-1, 1, 'right', 'bottom'), (-1, -1, 'right', 'top'))

_REACHES = (6, 11, 17, 24, 32)  # points from the point to its name
_LEADER = {'arrowstyle': '-', 'color': '#b0b0b0', 'lw': 0.7, 'shrinkA': 0, 'shrinkB': 2}


def name_points(axes: Axes, points: Sequence[tuple[float, float]], names: Sequence[str], **text: Any) -> None:
    """Name points, each at the first place around it that covers no point, no other name, and not the axes' edge.

    Parameters
    ----------
    axes
        With everything drawn and its limits final.
    points
        In data coordinates; those before ``len(names)`` are named.
    names
        Of the first points.
    **text
        Of Matplotlib's ``annotate``.
    """
    figure = axes.figure
    assert isinstance(figure, Figure)
    figure.draw_without_rendering()
    figure.set_layout_engine('none')  # what is free now stays free
    renderer = FigureCanvasAgg(figure).get_renderer()
    radius = 4 * figure.dpi / 72
    pixels = [axes.transData.transform(point) for point in points]
    taken = [Bbox.from_bounds(x - radius, y - radius, 2 * radius, 2 * radius) for x, y in pixels]
    taken += [other.get_window_extent(renderer) for other in axes.texts]
    frame = axes.get_window_extent(renderer)
    for point, name in zip(points, names):
        best = None
        for reach, (dx, dy, horizontal, vertical) in itertools.product(_REACHES, _PLACES):
            place = {'xytext': (dx * reach, dy * reach), 'textcoords': 'offset points', 'ha': horizontal, 'va': vertical, **text}
            label = axes.annotate(name, point, **place)
            box = label.get_window_extent(renderer).padded(2.5 * figure.dpi / 72, 0)
            label.remove()
            covered = sum(box.overlaps(other) for other in taken) + (not _inside(box, frame))
            if best is None or covered < best[0]:
                best = covered, box, {**place, 'arrowprops': _LEADER if reach > _REACHES[0] else None}
            if covered == 0:
                break
        assert best is not None
        axes.annotate(name, point, **best[2])
        taken.append(best[1])


def _inside(box: Bbox, frame: Bbox) -> bool:
    return frame.x0 <= box.x0 and box.x1 <= frame.x1 and frame.y0 <= box.y0 and box.y1 <= frame.y1
