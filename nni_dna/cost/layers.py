"""Something about each layer of a space, found out once for the same choices and input, and from it something about each path."""

from __future__ import annotations

import functools
from typing import Any, Callable, Generic, Mapping, Sequence, TypeVar

import numpy as np
from nni.nas.nn.pytorch import ModelSpace

from ..errors import SpaceError
from ..spaces.chain import Cell
from ..spaces.labels import labels_of
from .shapes import Shape

__all__ = ['LayerTable', 'over_paths']

T = TypeVar('T')


class LayerTable(Generic[T]):
    """What is found out about layers.

    Parameters
    ----------
    space
        The model space, built on the meta device.
    find
        Takes the space, a layer's name, choices (label to value) and the shape of its input; gives what is to be known, and the
        shape of the output.
    """

    def __init__(self, space: ModelSpace, find: Callable[[ModelSpace, str, Mapping[str, Any], Shape], tuple[T, Shape]]):
        self._space = space
        self._find = find
        self._labels: dict[str, set[str]] = {}
        self._known: dict[tuple, tuple[T, Shape]] = {}

    def cell(self, cell: Cell, given: Mapping[str, Any], shape: Shape) -> tuple[list[list[T]], Shape]:
        """For each layer of a cell what is known of its candidates, and the shape of the cell's output."""
        layers = []
        for layer in cell.layers:
            found = [self._layer(layer.name, {**given, **cell.choice, **option}, shape) for option in layer.options]
            shapes = {after for _, after in found}
            if len(shapes) > 1:
                raise SpaceError(f'module {layer.name!r}: its choices ({", ".join(layer.options[0])}) give outputs of different '
                                 f'shapes ({", ".join(map(str, sorted(shapes)))}), and what follows does not depend on them; '
                                 'let all candidates give the same shape, or let what follows take the width by the same '
                                 'label')
            layers.append([known for known, _ in found])
            shape = shapes.pop()
        return layers, shape

    def _layer(self, name: str, choice: Mapping[str, Any], shape: Shape) -> tuple[T, Shape]:
        if name not in self._labels:
            self._labels[name] = set(labels_of(self._space.get_submodule(name)))
        labels = self._labels[name]
        key = (name, shape, *sorted((label, repr(value)) for label, value in choice.items() if label in labels))
        if key not in self._known:
            self._known[key] = self._find(self._space, name, choice, shape)
        return self._known[key]


def over_paths(cell: Cell, tables: Sequence[np.ndarray], join: np.ufunc) -> np.ndarray:
    """For each path of a cell the values (candidates, ...) of its layers, joined in their order; shape (paths, ...)."""
    digits = np.array([cell.digits(path) for path in range(cell.paths)]).T
    return functools.reduce(join, (table[column] for table, column in zip(tables, digits)))
