"""Exact cost of every path of every block, by the cell that the block before ended with.

Costs add up over the layers; only a cell's first layer depends on the width that the block before hands on. So one count per
layer, candidate and incoming width gives the cost of all paths: about a hundred small counts for 10^17 architectures.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import torch
from torch import nn
from nni.nas.nn.pytorch import ModelSpace

from ..errors import SpaceError
from ..spaces.chain import Cell, Chain
from ..spaces.freezing import freeze
from ..spaces.reading import cell_module
from .borders import dry_run
from .counter import COSTS, Cost, count

__all__ = ['CostTables', 'cost_tables']


@dataclass(frozen=True, kw_only=True, eq=False)
class CostTables:
    """Costs of all paths; the last axis is ``COSTS``.

    Attributes
    ----------
    blocks
        Per block an int64 array (cells of the block before, paths, costs); the first block has 1 in the first axis.
    rest
        An int64 array (cells of the last block, costs): all that is outside the blocks (stem, head, classifier).
    input_shapes
        Per block, the shape of its input (channels, height, width) by cell of the block before.
    output_shapes
        Per block, the shape of its output by cell.
    """

    blocks: tuple[np.ndarray, ...]
    rest: np.ndarray
    input_shapes: tuple[tuple[tuple[int, ...], ...], ...]
    output_shapes: tuple[tuple[tuple[int, ...], ...], ...]

    def total(self, chain: Chain, paths: tuple[int, ...]) -> Cost:
        """Cost of a whole network, given one path number per block."""
        total = np.zeros(len(COSTS), dtype=np.int64)
        before = 0
        for block, costs, path in zip(chain.blocks, self.blocks, paths):
            total += costs[before, path]
            before = block.locate(path)[0]
        return Cost(*(int(value) for value in total + self.rest[before]))


def cost_tables(space: ModelSpace, chain: Chain, image_shape: tuple[int, int, int]) -> CostTables:
    """Count every layer, candidate and incoming width once, and add up.

    Parameters
    ----------
    space
        The model space, built on the meta device.
    chain
        Its blocks (restricted or not).
    image_shape
        (channels, height, width) of the images.

    Raises
    ------
    SpaceError
        If a network of the space cannot run on images of this size, or its blocks do not run one after another.
    """
    with torch.device('meta'):
        # Cells 0, 1, ... of all blocks together: every cell runs, and every one is the last block's.
        sampled = [_cells(chain, index) for index in range(max(len(block.cells) for block in chain.blocks))]
        runs = [dry_run(space, chain, image_shape, paths) for paths in sampled]
        outputs = tuple(tuple(runs[c][b][1] for c in range(len(block.cells))) for b, block in enumerate(chain.blocks))
        inputs = ((runs[0][0][0],), *outputs[:-1])
        tables = []
        for b, block in enumerate(chain.blocks):
            before: list[dict[str, Any]] = [{}] if b == 0 else [dict(cell.choice) for cell in chain.blocks[b - 1].cells]
            by_border = [np.concatenate([_path_costs(cell_module(space, block, cell), cell, border, inputs[b][i])
                                         for cell in block.cells])
                         for i, border in enumerate(before)]
            tables.append(np.stack(by_border))
        nothing = np.zeros((len(chain.blocks[-1].cells), len(COSTS)), dtype=np.int64)
        found = CostTables(blocks=tuple(tables), rest=nothing, input_shapes=inputs, output_shapes=outputs)
        return replace(found, rest=_rest(space, chain, image_shape, found, sampled))


def _cells(chain: Chain, index: int) -> tuple[int, ...]:
    """The first path of cell number ``index`` (or the last) of each block."""
    return tuple(sum(cell.paths for cell in block.cells[:min(index, len(block.cells) - 1)]) for block in chain.blocks)


def _path_costs(module: nn.Module, cell: Cell, border: dict[str, Any], input_shape: tuple[int, ...]) -> np.ndarray:
    """(paths, costs) of one cell for one incoming width."""
    total = np.zeros((1, len(COSTS)), dtype=np.int64)
    for layer in cell.layers:
        table = np.zeros((len(layer.options), len(COSTS)), dtype=np.int64)
        for row, option in zip(table, layer.options):
            cost, output_shape = count(freeze(module.get_submodule(layer.name), {**border, **option}), input_shape)
            row[:] = (cost.params, cost.madds)
        input_shape = output_shape
        total = (total[:, None, :] + table[None, :, :]).reshape(-1, len(COSTS))  # the first layer varies slowest
    return total


def _rest(space: ModelSpace, chain: Chain, image_shape: tuple[int, int, int], blocks: CostTables,
          sampled: list[tuple[int, ...]]) -> np.ndarray:
    """What is outside the blocks, by the last block's cell: the whole network less its blocks."""
    rest: dict[int, Cost] = {}
    first = _cells(chain, 0)
    for paths in dict.fromkeys([*(first[:-1] + paths[-1:] for paths in sampled), *sampled]):
        whole, _ = count(freeze(space, chain.architecture(paths)), image_shape)
        outside, cell = whole - blocks.total(chain, paths), chain.blocks[-1].locate(paths[-1])[0]
        if rest.setdefault(cell, outside) != outside:
            labels = ', '.join(repr(label) for block in chain.blocks[:-1] for label in block.cells[0].choice)
            raise SpaceError(f'what is outside the blocks costs differently for another choice of {labels}: it may depend on the '
                             'last block only; move it into a block')
    return np.array([(rest[cell].params, rest[cell].madds) for cell in sorted(rest)], dtype=np.int64)
