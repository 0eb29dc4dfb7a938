"""What a chain-structured model space offers: blocks, their cells, their layers, and every path by number.

Plain data without NNI or torch, so that rating, cost and search speak of paths without touching modules.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Any, Iterator, Mapping

__all__ = ['Layer', 'Cell', 'Block', 'Chain', 'Architecture']

Architecture = dict[str, Any]
"""An NNI sample: the value chosen for every label of the architecture."""


@dataclass(frozen=True, kw_only=True)
class Layer:
    """One layer of a cell and its candidate operations.

    Attributes
    ----------
    name
        Name of the layer's module within its cell.
    options
        The choices (label to value) that pick each candidate; a fixed layer has the single option ``{}``.
    """

    name: str
    options: tuple[Mapping[str, Any], ...]


@dataclass(frozen=True, kw_only=True)
class Cell:
    """A chain of layers of one depth and width. A path picks one option per layer.

    Paths are numbered in mixed radix, the first layer being the most significant digit.

    Attributes
    ----------
    name
        The cell's name, unique within its block.
    choice
        What picks this cell (label to value); empty where the block has one cell only.
    layers
        In the order in which they run.
    """

    name: str
    choice: Mapping[str, Any]
    layers: tuple[Layer, ...]

    @property
    def radix(self) -> tuple[int, ...]:
        """Number of options of each layer."""
        return tuple(len(layer.options) for layer in self.layers)

    @property
    def paths(self) -> int:
        """Number of paths."""
        return math.prod(self.radix)

    def digits(self, path: int) -> tuple[int, ...]:
        """The option that path number ``path`` picks in each layer."""
        if not 0 <= path < self.paths:
            raise IndexError(f'expected a path number from 0 to {self.paths - 1}, got {path}')
        digits = []
        for base in reversed(self.radix):
            path, digit = divmod(path, base)
            digits.append(digit)
        return tuple(reversed(digits))

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
    module
        Name of the block's module in the model space.
    cells
        The cells, in the order of the model space.
    """

    name: str
    module: str
    cells: tuple[Cell, ...]

    @property
    def paths(self) -> int:
        """Number of paths over all cells."""
        return sum(cell.paths for cell in self.cells)

    def locate(self, path: int) -> tuple[int, int]:
        """Split a block's path number into the cell's index and the path number within that cell."""
        for index, cell in enumerate(self.cells):
            if path < cell.paths:
                return index, path
            path -= cell.paths
        raise IndexError(f'{self.name} has {self.paths} paths only')


@dataclass(frozen=True, kw_only=True)
class Chain:
    """A model space as a chain of blocks.

    Attributes
    ----------
    blocks
        In the order in which they run.
    stem
        Name of the module that runs before the first block; empty where the first block takes the image.
    """

    blocks: tuple[Block, ...]
    stem: str

    @property
    def architectures(self) -> int:
        """Number of architectures: the product of the blocks' numbers of paths."""
        return math.prod(block.paths for block in self.blocks)

    def cells(self) -> Iterator[tuple[int, int, Block, Cell]]:
        """All cells as (block index, cell index, block, cell)."""
        for b, block in enumerate(self.blocks):
            for c, cell in enumerate(block.cells):
                yield b, c, block, cell

    def architecture(self, paths: tuple[int, ...]) -> Architecture:
        """The NNI sample of one path number per block."""
        if len(paths) != len(self.blocks):
            raise ValueError(f'expected one path number for each of {len(self.blocks)} blocks, got {len(paths)}')
        sample: Architecture = {}
        for block, path in zip(self.blocks, paths):
            cell, local = block.locate(path)
            sample.update(block.cells[cell].architecture(local))
        return sample

    def label_values(self) -> dict[str, list[Any]]:
        """Every label with its values, in the order of the model space: what a search-space file lists."""
        values: dict[str, list[Any]] = {}
        for block in self.blocks:
            for cell in block.cells:
                choices = [cell.choice, *(option for layer in cell.layers for option in layer.options)]
                for choice in choices:
                    for label, value in choice.items():
                        known = values.setdefault(label, [])
                        if value not in known:
                            known.append(value)
        return values
