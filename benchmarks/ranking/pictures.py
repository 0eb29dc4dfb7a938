"""Rating against stand-alone accuracy, one panel for each rating."""

from __future__ import annotations

from pathlib import Path
from typing import Mapping, Sequence

import matplotlib
import numpy as np

matplotlib.use('Agg')

from matplotlib import pyplot  # noqa: E402
from matplotlib.ticker import MaxNLocator  # noqa: E402

__all__ = ['scatter']


def scatter(file: Path, panels: Mapping[str, Sequence[float] | np.ndarray], accuracy: Sequence[float] | np.ndarray,
            taus: Mapping[str, str]) -> None:
    """Draw it.

    Parameters
    ----------
    file
        Image to write.
    panels
        By title: (architectures,) what the horizontal axis shows.
    accuracy
        (architectures,) From 0 to 1.
    taus
        By title: Kendall's tau as text.
    """
    figure, axes = pyplot.subplots(1, len(panels), figsize=(4.2 * len(panels), 3.8), sharey=True, layout='constrained')
    percent = 100 * np.asarray(accuracy)
    many = len(percent) > 1000
    for axis, (title, values) in zip(np.atleast_1d(axes), panels.items()):
        axis.scatter(values, percent, s=1 if many else 18, alpha=0.25 if many else 0.85, linewidths=0, rasterized=True)
        axis.set_xlabel(title)
        axis.xaxis.set_major_locator(MaxNLocator(5))
        axis.set_title(f"Kendall's tau {taus[title]}", fontsize=10)
        axis.grid(alpha=0.3)
    np.atleast_1d(axes)[0].set_ylabel('accuracy when trained alone (%)')
    figure.savefig(file, dpi=110)
    pyplot.close(figure)
