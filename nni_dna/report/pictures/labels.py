"""Put names beside points where they cover nothing."""

from __future__ import annotations

from typing import Any, Sequence

from matplotlib.axes import Axes
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure
from matplotlib.transforms import Bbox

__all__ = ['name_points']

_PLACES = ((1, 0, 'left', 'center'), (-1, 0, 'right', 'center'), (0, 1, 'center', 'bottom'), (0, -1, 'center', 'top'),
           (1, 1, 'left', 'bottom'), (1, -1, 'left', 'top'), (-1, 1, 'right', 'bottom'), (-1, -1, 'right', 'top'))


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
    renderer = FigureCanvasAgg(figure).get_renderer()
    radius = 4 * figure.dpi / 72
    pixels = [axes.transData.transform(point) for point in points]
    taken = [Bbox.from_bounds(x - radius, y - radius, 2 * radius, 2 * radius) for x, y in pixels]
    taken += [other.get_window_extent(renderer) for other in axes.texts]
    frame = axes.get_window_extent(renderer)
    for point, name in zip(points, names):
        best = None
        for reach in (6, 12, 20):
            for dx, dy, horizontal, vertical in _PLACES:
                label = axes.annotate(name, point, (dx * reach, dy * reach), textcoords='offset points', ha=horizontal, va=vertical,
                                      arrowprops={'arrowstyle': '-', 'color': '#bbbbbb', 'lw': 0.6} if reach > 6 else None, **text)
                box = label.get_window_extent(renderer)
                covered = sum(box.overlaps(other) for other in taken) + (not _inside(box, frame))
                if best is None or covered < best[0]:
                    if best is not None:
                        best[1].remove()
                    best = covered, label, box
                else:
                    label.remove()
                if best[0] == 0:
                    break
            if best is not None and best[0] == 0:
                break
        assert best is not None
        taken.append(best[2])


def _inside(box: Bbox, frame: Bbox) -> bool:
    return frame.x0 <= box.x0 and box.x1 <= frame.x1 and frame.y0 <= box.y0 and box.y1 <= frame.y1
