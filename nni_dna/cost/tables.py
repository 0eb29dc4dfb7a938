"""Exact cost of every path of every block, by the cell that the block before ended with.

Costs add up over the layers; only a cell's first layer depends on the width that the block before hands on. So one count per
layer, candidate and incoming width gives the cost of all paths: about a hundred small counts for 10^17 architectures.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from torch import nn
from nni.nas.nn.pytorch import ModelSpace

from ..errors import SpaceError
from ..spaces.chain import Architecture, Block, Cell, Chain
from ..spaces.freezing import freeze
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
        shapes = _dry_runs(space, chain, image_shape)
        inputs, outputs = _border_shapes(chain, shapes)
        tables = []
        for b, block in enumerate(chain.blocks):
            module = space.get_submodule(block.module)
            before: list[dict[str, Any]] = [{}] if b == 0 else [dict(cell.choice) for cell in chain.blocks[b - 1].cells]
            by_border = [np.concatenate([_path_costs(module, cell, border, inputs[b][i]) for cell in block.cells])
                         for i, border in enumerate(before)]
            tables.append(np.stack(by_border))
        rest = _rest(space, chain, image_shape, tables)
    return CostTables(blocks=tuple(tables), rest=rest, input_shapes=inputs, output_shapes=outputs)


def _first_paths(chain: Chain, index: int) -> Architecture:
    """An architecture that takes cell number ``index`` (or the last) of each block, and the first option of each layer."""
    sample: Architecture = {}
    for block in chain.blocks:
        sample.update(block.cells[min(index, len(block.cells) - 1)].architecture(0))
    return sample


def _dry_runs(space: ModelSpace, chain: Chain,
              image_shape: tuple[int, int, int]) -> list[list[tuple[tuple[int, ...], tuple[int, ...]]]]:
    """The input and output shape of each block for cells 0, 1, ... taken together in all blocks."""
    runs = []
    for index in range(max(len(block.cells) for block in chain.blocks)):
        sample = _first_paths(chain, index)
        network = freeze(space, sample)
        seen: dict[str, tuple[tuple[int, ...], tuple[int, ...]]] = {}
        handles = []
        for watched in (*filter(None, [chain.stem]), *(block.module for block in chain.blocks)):
            def hook(module: nn.Module, inputs: tuple, output: torch.Tensor, name: str = watched) -> None:
                seen[name] = (tuple(inputs[0].shape[1:]), tuple(output.shape[1:]))
            handles.append(network.get_submodule(watched).register_forward_hook(hook))
        handles += [layer.register_forward_hook(_check_stride) for layer in network.modules() if hasattr(layer, 'stride')]
        try:
            network.eval()(torch.zeros(1, *image_shape))
        except SpaceError:
            raise
        except Exception as error:
            raise SpaceError(f'the model space cannot run on images of shape {image_shape}: {type(error).__name__}: {error}; '
                             'change data.image_size, or the strides of the space') from error
        finally:
            for handle in handles:
                handle.remove()
        missing = [block.name for block in chain.blocks if block.module not in seen]
        if missing:
            raise SpaceError(f'{missing[0]}: the block never ran in a forward pass; blocks must run one after another')
        first = chain.blocks[0].module
        given = seen[chain.stem][1] if chain.stem in seen else image_shape
        if seen[first][0] != given:
            raise SpaceError(f'block1: its input has shape {seen[first][0]} but '
                             f'{"the stem gives" if chain.stem else "the image has"} {given}; what runs before the blocks '
                             "must be the attribute 'stem' of the model space")
        runs.append([seen[block.module] for block in chain.blocks])
    return runs


def _check_stride(layer: nn.Module, inputs: tuple, output: torch.Tensor) -> None:
    """Refuse a stride over fewer pixels than its step: it would silently do nothing."""
    strides = layer.stride if isinstance(layer.stride, tuple) else (layer.stride,)
    sizes = inputs[0].shape[2:]
    if any(isinstance(stride, int) and stride > size for stride, size in zip(strides * len(sizes), sizes)):
        raise SpaceError(f'data.image_size: the images are too small for the strides of the space: a layer of stride '
                         f'{max(strides)} is left with {"x".join(map(str, sizes))} pixels; raise data.image_size')


def _border_shapes(chain: Chain, runs: list) -> tuple[tuple, tuple]:
    outputs = tuple(tuple(runs[c][b][1] for c in range(len(block.cells))) for b, block in enumerate(chain.blocks))
    inputs: list[tuple] = [(runs[0][0][0],)]
    for b in range(1, len(chain.blocks)):
        for c in range(len(runs)):
            before = outputs[b - 1][min(c, len(outputs[b - 1]) - 1)]
            if runs[c][b][0] != before:
                raise SpaceError(f'{chain.blocks[b].name}: its input has shape {runs[c][b][0]} but the block before gives '
                                 f'{before}; nothing may run between the blocks')
        inputs.append(outputs[b - 1])
    return tuple(inputs), outputs


def _path_costs(module: nn.Module, cell: Cell, border: dict[str, Any], input_shape: tuple[int, ...]) -> np.ndarray:
    """(paths, costs) of one cell for one incoming width."""
    if cell.choice:
        module = module[next(iter(cell.choice.values()))]  # type: ignore[index]
    total = np.zeros((1, len(COSTS)), dtype=np.int64)
    for layer in cell.layers:
        table = np.zeros((len(layer.options), len(COSTS)), dtype=np.int64)
        for row, option in zip(table, layer.options):
            cost, output_shape = count(freeze(module.get_submodule(layer.name), {**border, **option}), input_shape)
            row[:] = (cost.params, cost.madds)
        input_shape = output_shape
        total = (total[:, None, :] + table[None, :, :]).reshape(-1, len(COSTS))  # the first layer varies slowest
    return total


def _rest(space: ModelSpace, chain: Chain, image_shape: tuple[int, int, int], tables: list[np.ndarray]) -> np.ndarray:
    """What is outside the blocks, by the last block's cell: the whole network less its blocks."""
    rows = []
    first = CostTables(blocks=tuple(tables), rest=np.zeros((len(chain.blocks[-1].cells), len(COSTS)), dtype=np.int64),
                       input_shapes=(), output_shapes=())
    for index in range(len(chain.blocks[-1].cells)):
        paths = (0,) * (len(chain.blocks) - 1) + (_first_path(chain.blocks[-1], index),)
        whole, _ = count(freeze(space, chain.architecture(paths)), image_shape)
        outside = whole - first.total(chain, paths)
        rows.append((outside.params, outside.madds))
    return np.array(rows, dtype=np.int64)


def _first_path(block: Block, cell: int) -> int:
    return sum(other.paths for other in block.cells[:cell])
