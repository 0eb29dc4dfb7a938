"""The shapes at the blocks' borders, without counting every candidate."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Mapping

import torch
from nni.nas.nn.pytorch import ModelSpace

from ..errors import SpaceError
from ..spaces.chain import Block, Cell, Chain
from ..spaces.freezing import freeze
from .counter import Cost, count

__all__ = ['Shape', 'Shapes', 'border_shapes', 'count_layer']

Shape = tuple[int, ...]


@dataclass(frozen=True, kw_only=True)
class Shapes:
    """Shapes (channels, height, width) at the blocks' borders.

    Attributes
    ----------
    inputs
        Per block, of its input, by border of the block before.
    outputs
        Per block, of its output, by cell.
    """

    inputs: tuple[tuple[Shape, ...], ...]
    outputs: tuple[tuple[Shape, ...], ...]


def border_shapes(space: ModelSpace, chain: Chain, image_shape: Shape) -> Shapes:
    """Run the first path of every cell, block after block.

    Parameters
    ----------
    space
        The model space, built on the meta device.
    chain
        Its blocks.
    image_shape
        (channels, height, width) of the images.

    Raises
    ------
    SpaceError
        If a module cannot run on what comes before it.
    """
    inputs, outputs = [], []
    with torch.device('meta'):
        given: tuple[Shape, ...] = (_stem_shape(space, chain, image_shape),)
        for block in chain.blocks:
            inputs.append(given)
            outputs.append(tuple(_cell_shape(space, block, cell, given[-1]) for cell in block.cells))
            given = tuple(outputs[-1][block.cell_borders.index(border)] for border in range(len(block.borders)))
    return Shapes(inputs=tuple(inputs), outputs=tuple(outputs))


def _stem_shape(space: ModelSpace, chain: Chain, shape: Shape) -> Shape:
    for name in chain.stem:
        shape = count_layer(space, name, chain.fixed, shape)[1]
    return shape


def _cell_shape(space: ModelSpace, block: Block, cell: Cell, shape: Shape) -> Shape:
    for layer in cell.layers:
        shape = count_layer(space, layer.name, {**block.incoming, **cell.choice, **layer.options[0]}, shape)[1]
    return shape


def count_layer(space: ModelSpace, name: str, choice: Mapping[str, Any], shape: Shape) -> tuple[Cost, Shape]:
    """Cost of one module of a space for one choice, and the shape of its output.

    Raises
    ------
    SpaceError
        If it cannot run on an input of this shape.
    """
    try:
        return count(freeze(space.get_submodule(name), dict(choice)), shape)
    except Exception as error:  # whatever the user's module raises
        raise SpaceError(f'module {name!r} with {dict(choice)} cannot run on an input of shape {shape}: '
                         f'{type(error).__name__}: {error}; every combination of choices must be a network that '
                         'runs') from error
