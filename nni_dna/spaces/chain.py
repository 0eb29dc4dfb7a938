"""What a chain-structured model space offers: blocks, their cells, their layers, and every path by number.

Plain data without NNI or torch, so that rating, cost and search speak of paths without touching modules.
"""

from __future__ import annotations

import math
from dataclasses import dataclass, field
from typing import Any, Iterator, Mapping, Sequence

__all__ = ['Layer', 'Cell', 'Block', 'Chain', 'Architecture']

Architecture = dict[str, Any]
"""An NNI sample: the value chosen for every label that the network depends on."""


@dataclass(frozen=True, kw_only=True)
class Layer:
    """One layer of a cell and its candidate operations.

    Attributes
    ----------
    name
        Name of the layer's module in the model space.
    options
        The choices (label to value) that pick each candidate; a fixed layer has the single option ``{}``.
    """

    name: str
    options: tuple[Mapping[str, Any], ...]


@dataclass(frozen=True, kw_only=True)
class Cell:
    """A chain of layers of one depth and width. A path picks one option per layer.

    All paths are numbered in mixed radix, the first layer being the most significant digit. Where there are too many to
    rate, ``subset`` lists those that are, and path numbers count these.

    Attributes
    ----------
    name
        The cell's name, unique within its block.
    choice
        What picks this cell (label to value): its depth, its width, and whatever else several layers depend on.
    layers
        In the order in which they run.
    supernet
        Name of the supernet that holds its weights. Cells of one supernet share them.
    subset
        The paths to rate, ascending, by their number among all; None for all of them.
    """

    name: str
    choice: Mapping[str, Any]
    layers: tuple[Layer, ...]
    supernet: str = 'only'
    subset: tuple[int, ...] | None = None

    @property
    def radix(self) -> tuple[int, ...]:
        """Number of options of each layer."""
        return tuple(len(layer.options) for layer in self.layers)

    @property
    def all_paths(self) -> int:
        """Number of paths, rated or not."""
        return math.prod(self.radix)

    @property
    def paths(self) -> int:
        """Number of paths to rate."""
        return self.all_paths if self.subset is None else len(self.subset)

    def digits(self, path: int) -> tuple[int, ...]:
        """The option that path number ``path`` picks in each layer."""
        if not 0 <= path < self.paths:
            raise IndexError(f'expected a path number from 0 to {self.paths - 1}, got {path}')
        path = path if self.subset is None else self.subset[path]
        digits = []
        for base in reversed(self.radix):
            path, digit = divmod(path, base)
            digits.append(digit)
        return tuple(reversed(digits))

    def path_of(self, digits: Sequence[int | None]) -> int | None:
        """The number of the path that picks these options, the inverse of `digits`; None if it is not rated."""
        path = 0
        for base, digit in zip(self.radix, digits):
            if digit is None:
                return None
            path = path * base + digit
        if self.subset is None:
            return path
        return self.subset.index(path) if path in self.subset else None

    def architecture(self, path: int) -> Architecture:
        """The choices (label to value) of path number ``path``, the choice of the cell included."""
        chosen = dict(self.choice)
        for layer, digit in zip(self.layers, self.digits(path)):
            chosen.update(layer.options[digit])
        return chosen


@dataclass(frozen=True, kw_only=True)
class Block:
    """The cells among which a block chooses. Its paths are those of its cells, one cell after another.

    Attributes
    ----------
    name
        ``block1``, ``block2``, ...
    modules
        Names of its modules in the model space, in the order in which they run.
    cells
        The cells, in the order of the model space.
    handed_on
        Labels of this block that what comes after it depends on too: the width of its output.
    incoming
        What the block before hands on while this one is trained: its last choice (label to value).
    """

    name: str
    modules: tuple[str, ...]
    cells: tuple[Cell, ...]
    handed_on: tuple[str, ...] = ()
    incoming: Mapping[str, Any] = field(default_factory=dict)

    @property
    def paths(self) -> int:
        """Number of paths to rate, over all cells."""
        return sum(cell.paths for cell in self.cells)

    @property
    def all_paths(self) -> int:
        """Number of paths over all cells, rated or not."""
        return sum(cell.all_paths for cell in self.cells)

    @property
    def layers(self) -> int:
        """Layers of its deepest cell."""
        return max(len(cell.layers) for cell in self.cells)

    @property
    def supernets(self) -> tuple[str, ...]:
        """Names of its supernets, in the order of the cells."""
        return tuple(dict.fromkeys(cell.supernet for cell in self.cells))

    def cells_of(self, supernet: str) -> tuple[Cell, ...]:
        """The cells whose weights one supernet holds, in their order."""
        return tuple(cell for cell in self.cells if cell.supernet == supernet)

    @property
    def borders(self) -> tuple[Architecture, ...]:
        """The different choices (label to value) that the block can hand on, in the order of the cells."""
        found: list[Architecture] = []
        for cell in self.cells:
            border = self._border_of(cell)
            if border not in found:
                found.append(border)
        return tuple(found)

    @property
    def cell_borders(self) -> tuple[int, ...]:
        """For each cell the index of what it hands on, among ``borders``."""
        borders = self.borders
        return tuple(borders.index(self._border_of(cell)) for cell in self.cells)

    def _border_of(self, cell: Cell) -> Architecture:
        return {label: cell.choice[label] for label in self.handed_on if label in cell.choice}

    def locate(self, path: int) -> tuple[int, int]:
        """Split a block's path number into the cell's index and the path number within that cell."""
        for index, cell in enumerate(self.cells):
            if path < cell.paths:
                return index, path
            path -= cell.paths
        raise IndexError(f'{self.name} has {self.paths} paths only')

    def first_path(self, cell: int) -> int:
        """The number of the first path of a cell, given the cell's index."""
        return sum(other.paths for other in self.cells[:cell])

    def path_of(self, architecture: Mapping[str, Any]) -> int:
        """The number of the path that makes an architecture's choices.

        Raises
        ------
        ValueError
            If there is none among those that are rated.
        """
        for index, cell in enumerate(self.cells):
            if cell.choice.items() <= architecture.items():
                digits = [next((number for number, option in enumerate(layer.options)
                                if option.items() <= architecture.items()), None) for layer in cell.layers]
                path = cell.path_of(digits)
                if path is not None:
                    return self.first_path(index) + path
        raise ValueError(f'{self.name}: no rated path makes the choices {dict(architecture)}')


@dataclass(frozen=True, kw_only=True)
class Chain:
    """A model space as a chain of blocks.

    Attributes
    ----------
    blocks
        In the order in which they run.
    stem
        Names of the modules that run before the first block; none where it takes the image.
    fixed
        Labels outside the blocks that have a single value.
    """

    blocks: tuple[Block, ...]
    stem: tuple[str, ...] = ()
    fixed: Mapping[str, Any] = field(default_factory=dict)

    @property
    def architectures(self) -> int:
        """Number of architectures among which the search chooses: the product of the blocks' numbers of paths."""
        return math.prod(block.paths for block in self.blocks)

    @property
    def all_architectures(self) -> int:
        """Number of architectures of the space, rated paths or not."""
        return math.prod(block.all_paths for block in self.blocks)

    def cells(self) -> Iterator[tuple[int, int, Block, Cell]]:
        """All cells as (block index, cell index, block, cell)."""
        for b, block in enumerate(self.blocks):
            for c, cell in enumerate(block.cells):
                yield b, c, block, cell

    def supernets(self) -> Iterator[tuple[int, int, Block, str]]:
        """All supernets as (block index, index within the block, block, name)."""
        for b, block in enumerate(self.blocks):
            for s, name in enumerate(block.supernets):
                yield b, s, block, name

    def architecture(self, paths: tuple[int, ...]) -> Architecture:
        """The NNI sample of one path number per block."""
        if len(paths) != len(self.blocks):
            raise ValueError(f'expected one path number for each of {len(self.blocks)} blocks, got {len(paths)}')
        sample: Architecture = dict(self.fixed)
        for block, path in zip(self.blocks, paths):
            cell, local = block.locate(path)
            sample.update(block.cells[cell].architecture(local))
        return sample

    def paths_of(self, architecture: Mapping[str, Any]) -> tuple[int, ...]:
        """One path number per block, such that `architecture` gives the choices back.

        Raises
        ------
        ValueError
            If no rated path of a block makes these choices.
        """
        return tuple(block.path_of(architecture) for block in self.blocks)
