"""Read the chain of blocks out of an NNI ModelSpace.

The model space has an attribute ``blocks``: modules that run one after another. A block is a ``Sequential`` of layers, or
a ``LayerChoice`` among cells, each a ``Sequential`` of layers. A layer is any module; its own labelled choices are its
candidates. What runs before the blocks, if anything, is the attribute ``stem``; it and what runs after them is fixed.
"""

from __future__ import annotations

import itertools
from typing import Any

from torch import nn
from nni.mutable import Categorical
from nni.nas.nn.pytorch import LayerChoice, ModelSpace, MutableModule

from ..errors import SpaceError
from .chain import Block, Cell, Chain, Layer

__all__ = ['read_chain', 'cell_module', 'labels_of']


def labels_of(module: nn.Module) -> dict[str, Categorical]:
    """The labelled choices in a module and below it, in module order.

    Raises
    ------
    SpaceError
        If a choice is not among a list of values (a numeric range, for example).
    """
    found: dict[str, Categorical] = {}
    roots = [module] if isinstance(module, MutableModule) else \
        [child for _, child in MutableModule.named_mutable_descendants(module)]
    for root in roots:
        for label, mutable in root.simplify().items():
            if not isinstance(mutable, Categorical):
                raise SpaceError(f'label {label!r}: expected a choice among listed values, got {mutable!r}; '
                                 'write it as nni.choice(label, [...])')
            found[label] = mutable
    return found


def read_chain(space: ModelSpace) -> Chain:
    """The blocks, cells and layers of a model space.

    Parameters
    ----------
    space
        A chain-structured model space; see the module's docstring for what it must look like.

    Raises
    ------
    SpaceError
        If the space is no chain of blocks; the message says where and why.
    """
    blocks = getattr(space, 'blocks', None)
    if not isinstance(blocks, (nn.Sequential, nn.ModuleList)) or not len(blocks):
        raise SpaceError(f"model space {type(space).__name__}: expected an attribute 'blocks' that is a non-empty "
                         f'Sequential or ModuleList, got {type(blocks).__name__}; block-wise search needs a chain of blocks')
    read: list[Block] = []
    owner: dict[str, str] = {}
    border: set[str] = set()
    for number, (key, module) in enumerate(blocks._modules.items(), start=1):
        name = f'block{number}'
        own: dict[str, str] = {}
        cells = _cells(name, module, border, own)
        for label, place in own.items():
            if label in owner:
                raise SpaceError(f'label {label!r} is used in {owner[label]} and in {place}: blocks are trained '
                                 'independently, so a choice must belong to one of them; give each its own label')
        owner.update(own)
        border = {label for cell in cells for label in cell.choice}
        read.append(Block(name=name, module=f'blocks.{key}', cells=cells))
    outside = [label for label in labels_of(space) if label not in owner]
    if outside:
        raise SpaceError(f'label {outside[0]!r} belongs to no block: stem and head must be fixed; '
                         'move the choice into a block')
    return Chain(blocks=tuple(read), stem='stem' if isinstance(getattr(space, 'stem', None), nn.Module) else '')


def _cells(name: str, module: nn.Module, border: set[str], own: dict[str, str]) -> tuple[Cell, ...]:
    """The cells of a block; adds the labels that the block owns to ``own``."""
    if isinstance(module, LayerChoice):
        own[module.label] = name
        for value in module.names:
            if not _is_plain_sequential(module[value]):
                raise SpaceError(f'{name}: expected cell {value!r} of the LayerChoice {module.label!r} to be a plain Sequential '
                                 f'of layers, got {type(module[value]).__name__}; wrap it in nn.Sequential')
        return tuple(Cell(name=str(value), choice={module.label: value},
                          layers=_layers(f'{name}/{value}', module[value], border, own)) for value in module.names)
    if _is_plain_sequential(module):
        return (Cell(name='only', choice={}, layers=_layers(name, module, border, own)),)
    raise SpaceError(f'{name}: expected a plain Sequential of layers or a LayerChoice among such cells, '
                     f'got {type(module).__name__}; wrap it in nn.Sequential')


def _is_plain_sequential(module: nn.Module) -> bool:
    """Whether a module does nothing but run its children one after another."""
    return isinstance(module, nn.Sequential) and type(module).forward is nn.Sequential.forward


def _layers(place: str, cell: nn.Module, border: set[str], own: dict[str, str]) -> tuple[Layer, ...]:
    layers = []
    for key, module in cell._modules.items():  # all of them: named_children() leaves out a module that comes again
        assert module is not None
        here = f'{place}/{key}'
        choices: dict[str, list[Any]] = {}
        for label, mutable in labels_of(module).items():
            if label in border:  # the width that the block before hands on
                continue
            if label in own:
                raise SpaceError(f'label {label!r} is used in {own[label]} and in {here}: each layer needs its own label, '
                                 'since every path picks one candidate per layer')
            choices[label] = list(mutable.values)
        own.update(dict.fromkeys(choices, here))
        options = tuple(dict(zip(choices, values)) for values in itertools.product(*choices.values()))
        layers.append(Layer(name=key, options=options))
    if not layers:
        raise SpaceError(f'{place}: expected at least one layer, got none')
    return tuple(layers)


def cell_module(space: ModelSpace, block: Block, cell: Cell) -> nn.Module:
    """The Sequential of a cell's layers in the model space: the block itself where it has one cell only."""
    module = space.get_submodule(block.module)
    for value in cell.choice.values():
        assert isinstance(module, LayerChoice)
        module = module[value]
    return module
