"""The parts of a space's networks, each run on its own: stem, every candidate of every layer, and what follows the last block."""

from __future__ import annotations

from typing import Any, Mapping

import torch
from torch import nn
from nni.nas.nn.pytorch import ModelSpace

from ..errors import SpaceError
from ..spaces.chain import Chain
from ..spaces.freezing import freeze
from .layers import LayerTable
from .operations import Operation, Trace, trace_operations
from .shapes import Shape, Shapes, border_shapes

__all__ = ['NetworkParts', 'Trace']


class NetworkParts:
    """The parts that a space's networks are made of, one after another.

    Parameters
    ----------
    space
        The model space, built on the meta device.
    chain
        Its blocks.
    image_shape
        (channels, height, width) of the images.
    shapes
        What `border_shapes` gives, where it is known already.

    Attributes
    ----------
    chain
        The blocks.
    stem
        The modules before the first block.
    blocks
        Per block, by what the block before hands on, per cell: for each layer its candidates.
    tails
        By what the last block hands on: what follows it.

    Raises
    ------
    SpaceError
        If a network of the space does anything else than its parts do one after another.
    """

    def __init__(self, space: ModelSpace, chain: Chain, image_shape: Shape, shapes: Shapes | None = None):
        self.chain = chain
        shapes = shapes or border_shapes(space, chain, image_shape)
        with torch.device('meta'):
            self.stem = _stem(space, chain, image_shape)
            layers = LayerTable(space, _trace_layer)
            self.blocks: list[list[list[list[list[Trace]]]]] = []
            borders: tuple[Mapping[str, Any], ...] = ({},)
            for block, inputs in zip(chain.blocks, shapes.inputs):
                self.blocks.append([[layers.cell(cell, {**block.incoming, **border}, shape)[0] for cell in block.cells]
                                    for border, shape in zip(borders, inputs)])
                borders = block.borders
            last = chain.blocks[-1]
            self.tails = [trace_operations(_tail(space, chain, (*[0] * (len(chain.blocks) - 1), last.first_path(cell))),
                                           shapes.outputs[-1][cell])
                          for cell in (last.cell_borders.index(border) for border in range(len(last.borders)))]
            for paths in {tuple(0 for _ in chain.blocks), tuple(block.paths - 1 for block in chain.blocks)}:
                self._check(trace_operations(freeze(space, chain.architecture(paths)), image_shape), paths)

    def traces(self) -> dict[str, Trace]:
        """One part of each kind, by its key; those that do the same are of one kind."""
        cells = (cell for by_border in self.blocks for cells in by_border for cell in cells)
        return {trace.key: trace
                for trace in (*self.stem, *(trace for cell in cells for layer in cell for trace in layer), *self.tails)}

    def of(self, paths: tuple[int, ...]) -> list[Trace]:
        """The parts of one network, in order, given one path number per block."""
        found, before = list(self.stem), 0
        for block, by_border, path in zip(self.chain.blocks, self.blocks, paths):
            cell, local = block.locate(path)
            found += [layer[digit] for layer, digit in zip(by_border[before][cell], block.cells[cell].digits(local))]
            before = block.cell_borders[cell]
        return [*found, self.tails[before]]

    def _check(self, whole: Trace, paths: tuple[int, ...]) -> None:
        """See that nothing lies between the parts, and that nothing is kept across them."""
        apart: list[Operation] = [operation for part in self.of(paths) for operation in part.operations]
        for one, other in zip(whole.operations, apart):
            if (one.text, one.alive) != (other.text, other.alive):
                raise _not_apart(f'{one.text}, with {one.alive:,} bytes of activations alive, where its modules alone do '
                                 f'{other.text} with {other.alive:,}')
        if len(whole.operations) != len(apart):
            raise _not_apart(f'{len(whole.operations)} operations, where its modules alone do {len(apart)}')


def _not_apart(what: str) -> SpaceError:
    return SpaceError(f'search.max_memory, search.max_latency_ms: a network of the space does {what}; these limits need a space '
                      'whose forward passes do nothing but run the modules one after another up to the last block, and keep no '
                      'earlier result for later: change it, or limit search.max_params and search.max_madds instead')


def _stem(space: ModelSpace, chain: Chain, shape: Shape) -> list[Trace]:
    found = []
    for name in chain.stem:
        found.append(trace_operations(freeze(space.get_submodule(name), dict(chain.fixed)), shape))
        shape = found[-1].output
    return found


def _trace_layer(space: ModelSpace, name: str, choice: Mapping[str, Any], shape: Shape) -> tuple[Trace, Shape]:
    found = trace_operations(freeze(space.get_submodule(name), dict(choice)), shape)
    return found, found.output


def _tail(space: ModelSpace, chain: Chain, paths: tuple[int, ...]) -> nn.Module:
    """A whole network in which the modules up to the last block hand on what they are given."""
    network = freeze(space, chain.architecture(paths))
    for name in (*chain.stem, *(name for block in chain.blocks for name in block.modules)):
        parent, _, leaf = name.rpartition('.')
        setattr(network.get_submodule(parent), leaf, nn.Identity())
    return network
