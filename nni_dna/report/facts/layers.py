"""An architecture layer by layer: operation, sizes, cost of each."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Any, Mapping

import torch
from torch import nn
from torch.nn.modules.conv import _ConvNd

from ...campaign.setup import Setup
from ...cost import Cost
from ...cost.shapes import Shape, count_layer
from ...spaces.files import recalled
from ...spaces.freezing import freeze
from ...spaces.labels import labels_of

__all__ = ['LayerFacts', 'layers_of']


@dataclass(frozen=True, kw_only=True)
class LayerFacts:
    """One layer of a network, or what comes before or after the blocks.

    Attributes
    ----------
    block, cell
        Names; the block is ``stem`` or ``head`` outside the blocks, where there is no cell.
    operation
        The module's class; for a plain Sequential, what is in it.
    chosen
        What was chosen for it (label to value); empty for a fixed layer.
    kernel
        The largest kernel of its convolutions, in pixels; None without one.
    expansion
        Channels of its depthwise convolution over its input's; None without one.
    squeezes
        Whether it has squeeze-and-excitation.
    shape
        (channels, height, width) of its output; None for the head.
    cost
        Parameters and multiply-adds for one image.
    """

    block: str
    cell: str
    operation: str
    chosen: Mapping[str, Any]
    kernel: int | None
    expansion: float | None
    squeezes: bool
    shape: Shape | None
    cost: Cost


def layers_of(setup: Setup, architecture: Mapping[str, Any]) -> list[LayerFacts]:
    """All layers of an architecture, in the order in which they run: stem, blocks, head.

    A module that only normalises or activates is counted with the layer before it.

    Parameters
    ----------
    setup
        The experiment.
    architecture
        Label to value, as ``ranking.json`` has it.
    """
    space, chain = setup.meta_space, setup.chain
    sample = recalled(architecture, labels_of(space))
    paths = chain.paths_of(sample)
    shape: Shape = setup.data.image_shape
    found: list[LayerFacts] = []

    def add(block: str, cell: str, name: str, chosen: Mapping[str, Any]) -> None:
        nonlocal shape
        given = {**chain.fixed, **sample}
        cost, after = count_layer(space, name, given, shape)
        module = freeze(space.get_submodule(name), given)
        if found and block == found[-1].block and cost.madds == 0 and after == shape and not chosen:
            found[-1] = replace(found[-1], cost=found[-1].cost + cost)
        else:
            found.append(LayerFacts(block=block, cell=cell, chosen=chosen, shape=after, cost=cost, **_anatomy(module, shape[0])))
        shape = after

    with torch.device('meta'):
        for name in chain.stem:
            add('stem', '', name, {})
        for block, path in zip(chain.blocks, paths):
            index, local = block.locate(path)
            cell = block.cells[index]
            for layer, digit in zip(cell.layers, cell.digits(local)):
                add(block.name, cell.name, layer.name, layer.options[digit] if len(layer.options) > 1 else {})
    total = setup.costs.total(chain, paths)
    rest = total - sum((layer.cost for layer in found), Cost(0, 0))
    found.append(LayerFacts(block='head', cell='', operation='all after the blocks', chosen={}, kernel=None, expansion=None,
                            squeezes=False, shape=None, cost=rest))
    return found


def _anatomy(module: nn.Module, width: int) -> dict[str, Any]:
    convolutions = [part for part in module.modules() if isinstance(part, _ConvNd)]
    depthwise = [part for part in convolutions if part.groups == part.in_channels > 1]
    return {
        'operation': _operation(module, len(convolutions), len(depthwise)),
        'kernel': max((max(part.kernel_size) for part in convolutions), default=None),
        'expansion': max(part.in_channels for part in depthwise) / width if depthwise else None,
        # SqueezeExcite, SqueezeExcitation, SELayer, SEModule: nobody calls it otherwise
        'squeezes': any(type(part).__name__.startswith(('Squeeze', 'SE')) for part in module.modules()),
    }


def _operation(module: nn.Module, convolutions: int, depthwise: int) -> str:
    if type(module) is not nn.Sequential:
        return type(module).__name__
    return 'layers' if not convolutions else 'separable convolution' if depthwise else 'convolution'
