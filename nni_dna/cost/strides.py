"""See that images are large enough for a network's strides."""

from __future__ import annotations

import torch
from torch import nn

from ..errors import SpaceError

__all__ = ['check_strides']


@torch.no_grad()
def check_strides(network: nn.Module, image_shape: tuple[int, ...]) -> None:
    """Refuse a stride over fewer pixels than its step: it would silently do nothing.

    Parameters
    ----------
    network
        A plain network on the meta device.
    image_shape
        (channels, height, width).

    Raises
    ------
    SpaceError
        If there is such a layer, or the network cannot run on images of this size.
    """
    handles = [layer.register_forward_hook(_check) for layer in network.modules() if hasattr(layer, 'stride')]
    try:
        network.eval()(torch.zeros(1, *image_shape, device='meta'))
    except SpaceError:
        raise
    except Exception as error:
        raise SpaceError(f'the model space cannot run on images of shape {image_shape}: {type(error).__name__}: {error}; '
                         'change data.image_size, or the strides of the space') from error
    finally:
        for handle in handles:
            handle.remove()


def _check(layer: nn.Module, inputs: tuple, output: torch.Tensor) -> None:
    strides = layer.stride if isinstance(layer.stride, tuple) else (layer.stride,)
    sizes = inputs[0].shape[2:]
    if any(isinstance(stride, int) and stride > size for stride, size in zip(strides * len(sizes), sizes)):
        raise SpaceError(f'data.image_size: the images are too small for the strides of the space: a layer of stride '
                         f'{max(strides)} is left with {"x".join(map(str, sizes))} pixels; raise data.image_size')
