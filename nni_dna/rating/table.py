"""The rating table of a cell as a file: npz without pickle."""

from __future__ import annotations

import io
import json
from pathlib import Path

import numpy as np

from ..errors import ResultError
from ..files import write_atomically
from ..spaces.chain import Cell

__all__ = ['save_ratings', 'load_ratings']


def _describe(cell: Cell) -> str:
    """What the rows of the table stand for."""
    return json.dumps([[dict(option) for option in layer.options] for layer in cell.layers], sort_keys=True, default=str)


def save_ratings(path: Path, cell: Cell, ratings: np.ndarray) -> None:
    """Write a cell's ratings.

    Parameters
    ----------
    path
        The file.
    cell
        Whose paths they are.
    ratings
        (paths,) float64, smaller is better.
    """
    buffer = io.BytesIO()
    np.savez(buffer, ratings=np.asarray(ratings, dtype=np.float64), options=np.array(_describe(cell)))
    write_atomically(path, buffer.getvalue())


def load_ratings(path: Path, cell: Cell) -> np.ndarray:
    """Read a cell's ratings: (paths,) float64.

    Raises
    ------
    ResultError
        If the file is damaged or rates other paths.
    """
    try:
        with np.load(path, allow_pickle=False) as file:
            ratings, options = file['ratings'], str(file['options'])
    except Exception as error:  # zip, header and key errors have no common root
        raise ResultError(f'{path}: expected a rating table, got {type(error).__name__}: {error}') from error
    if options != _describe(cell) or ratings.shape != (cell.paths,):
        raise ResultError(f'{path}: the table rates other paths than those of cell {cell.name}')
    return ratings
