"""Count multiply-adds and parameters of a network by running it once on the meta device.

Multiply-adds are those of convolutions and linear layers (squeeze-and-excitation included), as the mobile-network papers
count them; a BatchNorm counts its two parameters a channel.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import torch
from torch import nn
from torch.nn.modules.batchnorm import _BatchNorm
from torch.nn.modules.conv import _ConvNd

__all__ = ['Cost', 'COSTS', 'count']

COSTS = ('params', 'madds')
"""The costs, in the order of every cost axis."""


@dataclass(frozen=True)
class Cost:
    """Cost of a network or a part of it for one image.

    Attributes
    ----------
    params
        Number of parameters.
    madds
        Number of multiply-adds.
    """

    params: int
    madds: int

    def __add__(self, other: Cost) -> Cost:
        return Cost(self.params + other.params, self.madds + other.madds)

    def __sub__(self, other: Cost) -> Cost:
        return Cost(self.params - other.params, self.madds - other.madds)


@torch.no_grad()
def count(module: nn.Module, input_shape: tuple[int, ...]) -> tuple[Cost, tuple[int, ...]]:
    """Cost of a module for one image, and the shape of its output without the batch.

    Parameters
    ----------
    module
        A plain network or a part of one (no open choices) on the meta device.
    input_shape
        Shape of its input without the batch, such as ``(3, 224, 224)``.
    """
    madds = 0

    def hook(layer: nn.Module, inputs: tuple, output: torch.Tensor) -> None:
        nonlocal madds
        madds += _layer_madds(layer, inputs[0], output)

    handles = [layer.register_forward_hook(hook) for layer in module.modules()
               if isinstance(layer, (_ConvNd, nn.Linear))]
    training = module.training
    module.eval()
    norms = [layer for layer in module.modules() if isinstance(layer, _BatchNorm)]
    for norm in norms:  # they cost nothing and change no shape, but take most of the time on the meta device
        norm.__dict__['forward'] = _same
    try:
        output = module(torch.zeros(1, *input_shape, device='meta'))
    finally:
        for norm in norms:
            del norm.__dict__['forward']
        module.train(training)
        for handle in handles:
            handle.remove()
    return Cost(sum(p.numel() for p in module.parameters()), madds), tuple(output.shape[1:])


def _same(x: torch.Tensor) -> torch.Tensor:
    return x


def _layer_madds(layer: nn.Module, x: torch.Tensor, output: torch.Tensor) -> int:
    if isinstance(layer, nn.Linear):
        return output.numel() * layer.in_features
    assert isinstance(layer, _ConvNd)
    if layer.transposed:  # every input pixel meets the whole kernel
        return x.numel() * (layer.out_channels // layer.groups) * math.prod(layer.kernel_size)
    return output.numel() * (layer.in_channels // layer.groups) * math.prod(layer.kernel_size)
