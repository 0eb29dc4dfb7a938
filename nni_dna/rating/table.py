"""The rating table of a supernet as a file: npz without pickle."""

from __future__ import annotations

import io
import json
from pathlib import Path
from typing import Sequence

import numpy as np

from ..errors import ResultError
from ..files import write_atomically
from ..spaces.chain import Cell
from ..versions import FORMAT, check_version

__all__ = ['save_ratings', 'load_ratings']


def _describe(cells: Sequence[Cell]) -> str:
    """What the rows of the table stand for."""
    return json.dumps([[dict(cell.choice), [[dict(option) for option in layer.options] for layer in cell.layers], cell.subset]
                       for cell in cells], sort_keys=True, default=str)


def save_ratings(path: Path, cells: Sequence[Cell], ratings: Sequence[np.ndarray]) -> None:
    """Write the ratings of a supernet's cells.

    Parameters
    ----------
    path
        The file.
    cells
        Whose paths they are.
    ratings
        Per cell (paths,) float64, smaller is better.
    """
    buffer = io.BytesIO()
    np.savez(buffer, ratings=np.concatenate([np.asarray(part, dtype=np.float64) for part in ratings]),
             paths=np.array(_describe(cells)), version=np.array(FORMAT))
    write_atomically(path, buffer.getvalue())


def load_ratings(path: Path, cells: Sequence[Cell]) -> list[np.ndarray]:
    """Read the ratings of a supernet's cells: per cell (paths,) float64.

    Raises
    ------
    ResultError
        If the file is damaged or rates other paths.
    """
    try:
        with np.load(path, allow_pickle=False) as file:
            ratings, paths = file['ratings'], str(file['paths'])
            version = file['version'].item() if 'version' in file else None
    except Exception as error:  # zip, header and key errors have no common root
        raise ResultError(f'{path}: expected a rating table, got {type(error).__name__}: {error}; start the experiment '
                          'again, which rates these paths again') from error
    check_version(version, str(path), ResultError, 'start the experiment again, which rates these paths again')
    counts = [cell.paths for cell in cells]
    if paths != _describe(cells) or ratings.shape != (sum(counts),):
        raise ResultError(f'{path}: the table rates other paths than those of cells {", ".join(cell.name for cell in cells)}')
    return np.split(ratings, np.cumsum(counts)[:-1])
