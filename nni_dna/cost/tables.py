"""Exact cost of every path of every block, by what the block before hands on.

Costs add up over the layers; only the layers that depend on the width which the block before hands on differ with it. So one
count per layer, candidate and incoming width gives the cost of all paths: about a hundred small counts for 10^17
architectures.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Any, Iterable, Mapping, Sequence

import numpy as np
import torch
from nni.nas.nn.pytorch import ModelSpace

from ..errors import SpaceError
from ..spaces.chain import Block, Cell, Chain
from ..spaces.freezing import freeze
from .counter import COSTS, Cost, count
from .further import FurtherCosts
from .layers import LayerTable, over_paths
from .shapes import Shape, Shapes, border_shapes, count_layer
from .strides import check_strides

__all__ = ['CostTables', 'cost_tables']

_SAMPLES = 5  # whole networks that are counted to see that the tables add up


@dataclass(frozen=True, kw_only=True, eq=False)
class CostTables:
    """Costs of all rated paths; the last axis is ``COSTS``.

    Attributes
    ----------
    blocks
        Per block an int64 array (borders of the block before, paths, costs); the first block has 1 in the first axis.
    rest
        An int64 array (borders of the last block, costs): all that is outside the blocks (stem, head, classifier).
    further
        Costs beside these, where a limit asks for them.
    """

    blocks: tuple[np.ndarray, ...]
    rest: np.ndarray
    further: tuple[FurtherCosts, ...] = ()

    @property
    def names(self) -> tuple[str, ...]:
        """Of the columns."""
        return (*COSTS, *(cost.name for cost in self.further))

    @property
    def whole(self) -> tuple[bool, ...]:
        """Which of the columns hold whole numbers."""
        return tuple(np.issubdtype(table.dtype, np.integer)
                     for table in (*[self.rest] * len(COSTS), *(cost.rest for cost in self.further)))

    def columns(self) -> list[np.ndarray]:
        """All costs as the search takes them: per block, and last for the rest, a float64 array (..., all costs)."""
        further = [[*cost.blocks, cost.rest] for cost in self.further]
        return [np.concatenate([table, *(column[..., None] for column in columns)], axis=-1, dtype=np.float64)
                for table, *columns in zip([*self.blocks, self.rest], *further)]

    @property
    def peaks(self) -> list[int]:
        """Which of the columns have the largest part as a network's total, and not the sum."""
        return [index for index, cost in enumerate(self.further, start=len(COSTS)) if cost.peak]

    def total(self, chain: Chain, paths: tuple[int, ...]) -> Cost:
        """Cost of a whole network, given one path number per block."""
        total = np.zeros(len(COSTS), dtype=np.int64)
        before = 0
        for block, costs, path in zip(chain.blocks, self.blocks, paths):
            total += costs[before, path]
            before = block.cell_borders[block.locate(path)[0]]
        return Cost(*(int(value) for value in total + self.rest[before]))


def cost_tables(space: ModelSpace, chain: Chain, image_shape: tuple[int, int, int], shapes: Shapes | None = None) -> CostTables:
    """Count every layer, candidate and incoming width once, and add up.

    Parameters
    ----------
    space
        The model space, built on the meta device.
    chain
        Its blocks (restricted or not).
    image_shape
        (channels, height, width) of the images.
    shapes
        What `border_shapes` gives, where it is known already.

    Raises
    ------
    SpaceError
        If a network of the space cannot run on images of this size, or a choice changes sizes that are not its own.
    """
    shapes = shapes or border_shapes(space, chain, image_shape)
    with torch.device('meta'):
        counter = LayerTable(space, count_layer)
        borders: tuple[Mapping[str, Any], ...] = ({},)
        tables = []
        for block, inputs, outputs in zip(chain.blocks, shapes.inputs, shapes.outputs):
            by_border = []
            for border, given in zip(borders, inputs):
                runs = [_count_cell(counter, cell, {**block.incoming, **border}, given) for cell in block.cells]
                if tuple(after for _, after in runs) != outputs:
                    raise SpaceError(f'{block.name}: the shape of its output depends on the block before '
                                     f'({", ".join(block.incoming)}); cut the blocks elsewhere (space.blocks), or give the '
                                     'label a single value in the search space')
                by_border.append(np.concatenate([costs for costs, _ in runs]))
            tables.append(np.stack(by_border))
            _check_incoming(space, block, borders, tables[-1], inputs)
            borders = block.borders
        nothing = np.zeros((len(borders), len(COSTS)), dtype=np.int64)
        found = CostTables(blocks=tuple(tables), rest=nothing)
        found = replace(found, rest=_rest(space, chain, image_shape, found))
        _check_rest(chain.blocks[-1], found.rest, shapes.outputs[-1])
        return found


def _count_cell(counter: LayerTable[Cost], cell: Cell, given: Mapping[str, Any], shape: Shape) -> tuple[np.ndarray, Shape]:
    """(paths, costs) of a cell, and the shape of its output."""
    layers, after = counter.cell(cell, given, shape)
    return over_paths(cell, [np.array([(cost.params, cost.madds) for cost in costs], dtype=np.int64) for costs in layers],
                      np.add), after


def _check_incoming(space: ModelSpace, block: Block, borders: Sequence[Mapping[str, Any]], costs: np.ndarray,
                    inputs: tuple[Shape, ...]) -> None:
    """See that all that a block takes over from the one before is the width."""
    for index, shape in enumerate(inputs):
        first = inputs.index(shape)
        if first < index and not (np.array_equal(costs[first], costs[index])
                                  and _written(space, block, borders[first]) == _written(space, block, borders[index])):
            raise _not_a_width(block.incoming, f'the block before {block.name}', f'in {block.name}')


def _written(space: ModelSpace, block: Block, border: Mapping[str, Any]) -> list[str]:
    """The layers as text, which tells what costs alone do not (a dilation, for example)."""
    with torch.device('meta'):
        return [repr(freeze(space.get_submodule(layer.name), {**block.incoming, **border, **cell.choice, **layer.options[0]}))
                for cell in block.cells for layer in cell.layers]


def _not_a_width(labels: Iterable[str], owner: str, place: str) -> SpaceError:
    return SpaceError(f'label {", ".join(map(repr, labels))} of {owner} decides an operation {place} too, and not only a width: '
                      'blocks are trained independently, so a choice must belong to one of them; give each its own label, or '
                      'cut the blocks elsewhere (space.blocks)')


def _rest(space: ModelSpace, chain: Chain, image_shape: tuple[int, int, int], blocks: CostTables) -> np.ndarray:
    """What is outside the blocks, by what the last block hands on: the whole network less its blocks."""
    first = tuple(0 for _ in chain.blocks)
    borders = chain.blocks[-1].cell_borders
    last = [first[:-1] + (chain.blocks[-1].first_path(borders.index(index)),) for index in range(max(borders) + 1)]
    others = [tuple(block.first_path(min(index, len(block.cells) - 1)) for block in chain.blocks)
              for index in range(min(max(len(block.cells) for block in chain.blocks), _SAMPLES))]
    rest: dict[int, Cost] = {}
    for paths in dict.fromkeys([*last, *others, tuple(block.paths - 1 for block in chain.blocks)]):
        network = freeze(space, chain.architecture(paths))
        check_strides(network, image_shape)
        outside = count(network, image_shape)[0] - blocks.total(chain, paths)
        border = borders[chain.blocks[-1].locate(paths[-1])[0]]
        if rest.setdefault(border, outside) != outside:
            handed_on = ', '.join(chain.blocks[-1].handed_on) or 'which hands on nothing'
            raise SpaceError('what is outside the blocks costs differently for another choice in a block before the last: it '
                             f'may depend on the last block only ({handed_on}); move it into a block')
    return np.array([(rest[border].params, rest[border].madds) for border in sorted(rest)], dtype=np.int64)


def _check_rest(last: Block, costs: np.ndarray, outputs: tuple[Shape, ...]) -> None:
    """See that all that is taken over from the last block is the width."""
    by_shape: dict[Shape, list[int]] = {}
    for border, shape in zip(last.cell_borders, outputs):
        if by_shape.setdefault(shape, costs[border].tolist()) != costs[border].tolist():
            raise _not_a_width(last.handed_on, last.name, 'behind it')
