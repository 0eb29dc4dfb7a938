"""The shapes at the blocks' borders, from dry runs that also see that the blocks are a chain.

A block is distilled alone, on what the block before hands on. So nothing may happen between them that a block alone would
not do.
"""

from __future__ import annotations

from typing import Callable

import torch
from torch import nn
from nni.nas.nn.pytorch import ModelSpace

from ..errors import SpaceError
from ..spaces.chain import Chain
from ..spaces.freezing import freeze

__all__ = ['Shape', 'dry_run']

Shape = tuple[int, ...]
_Passage = tuple[torch.Tensor, torch.Tensor]  # what went into a module, and what came out


def dry_run(space: ModelSpace, chain: Chain, image_shape: Shape, paths: tuple[int, ...]) -> list[tuple[Shape, Shape]]:
    """Run one architecture and return the shapes of each block's input and output.

    Parameters
    ----------
    space
        The model space, built on the meta device.
    chain
        Its blocks.
    image_shape
        (channels, height, width).
    paths
        The architecture: one path number per block.

    Raises
    ------
    SpaceError
        If it cannot run on images of this size, or its blocks do not run one after another with nothing in between.
    """
    network = freeze(space, chain.architecture(paths)).eval()
    watched = [*filter(None, [chain.stem]), *(block.module for block in chain.blocks)]
    passages: dict[str, _Passage] = {}
    handles = [network.get_submodule(name).register_forward_hook(_keep(passages, name))
               for name in watched]
    handles += [layer.register_forward_hook(_check_stride) for layer in network.modules() if hasattr(layer, 'stride')]
    images = torch.zeros(1, *image_shape, device='meta')
    try:
        network(images)
    except SpaceError:
        raise
    except Exception as error:
        raise SpaceError(f'the model space cannot run on images of shape {image_shape}: {type(error).__name__}: {error}; '
                         'change data.image_size, or the strides of the space') from error
    finally:
        for handle in handles:
            handle.remove()
    _check_chain(chain, images, passages)
    return [(_shape(passages[block.module][0]), _shape(passages[block.module][1])) for block in chain.blocks]


def _keep(passages: dict[str, _Passage], name: str) -> Callable:
    def hook(module: nn.Module, inputs: tuple, output: torch.Tensor) -> None:
        passages[name] = (inputs[0], output)
    return hook


def _check_chain(chain: Chain, images: torch.Tensor, passages: dict[str, _Passage]) -> None:
    given, giver = images, 'the image has'
    if chain.stem:
        if chain.stem not in passages:
            raise SpaceError("the attribute 'stem' of the model space never runs; it must be what runs before the blocks, or "
                             'have another name')
        given, giver = passages[chain.stem][1], 'the stem gives'
    for block in chain.blocks:
        if block.module not in passages:
            raise SpaceError(f'{block.name}: the block never ran in a forward pass; blocks must run one after another')
        if passages[block.module][0] is not given:
            remedy = "what runs before the blocks must be the attribute 'stem' of the model space" \
                if block is chain.blocks[0] else 'nothing may run between the blocks; move it into a block'
            raise SpaceError(f'{block.name}: its input has shape {_shape(passages[block.module][0])} but {giver} '
                             f'{_shape(given)}, and is not the same; {remedy}')
        given, giver = passages[block.module][1], 'the block before gives'


def _check_stride(layer: nn.Module, inputs: tuple, output: torch.Tensor) -> None:
    """Refuse a stride over fewer pixels than its step: it would silently do nothing."""
    strides = layer.stride if isinstance(layer.stride, tuple) else (layer.stride,)
    sizes = inputs[0].shape[2:]
    if any(isinstance(stride, int) and stride > size for stride, size in zip(strides * len(sizes), sizes)):
        raise SpaceError(f'data.image_size: the images are too small for the strides of the space: a layer of stride '
                         f'{max(strides)} is left with {"x".join(map(str, sizes))} pixels; raise data.image_size')


def _shape(tensor: torch.Tensor) -> Shape:
    return tuple(tensor.shape[1:])
