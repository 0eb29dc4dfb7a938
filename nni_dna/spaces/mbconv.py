"""Inverted residuals (MBConv) whose input width may be an NNI mutable expression.

The candidates of the DNA space (Li et al., CVPR 2020, section 4.1): kernel 3, 5 or 7 times expansion 3 or 6, with
squeeze-and-excitation at a quarter of the layer's input width, and swish.
"""

from __future__ import annotations

from typing import Union

import torch
from torch import nn
from nni.mutable import MutableExpression
from nni.nas.nn.pytorch import MutableBatchNorm2d, MutableConv2d

__all__ = ['Width', 'ConvBN', 'SqueezeExcite', 'MBConv']

Width = Union[int, 'MutableExpression[int]']
"""A channel count: a number, or an NNI expression of the choices that decide it."""


class ConvBN(nn.Sequential):
    """Convolution ('same' padding, no bias), BatchNorm and, unless told otherwise, swish.

    Parameters
    ----------
    in_channels, out_channels, groups
        Widths; NNI expressions are allowed.
    kernel_size, stride
        Of the convolution.
    activation
        Whether swish follows.
    """

    def __init__(self, in_channels: Width, out_channels: Width, kernel_size: int, *, stride: int = 1,
                 groups: Width = 1, activation: bool = True):
        layers: list[nn.Module] = [
            MutableConv2d(in_channels, out_channels, kernel_size, stride, kernel_size // 2, groups=groups, bias=False),
            MutableBatchNorm2d(out_channels),
        ]
        if activation:
            layers.append(nn.SiLU(inplace=True))
        super().__init__(*layers)


class SqueezeExcite(nn.Module):
    """Channel attention: global average pool, two 1x1 convolutions, sigmoid gate.

    Parameters
    ----------
    channels
        Width of the feature map that is gated.
    squeezed
        Width between the two convolutions.
    """

    def __init__(self, channels: Width, squeezed: Width):
        super().__init__()
        self.pool = nn.AdaptiveAvgPool2d(1)
        self.reduce = MutableConv2d(channels, squeezed, 1)
        self.expand = MutableConv2d(squeezed, channels, 1)
        self.activation = nn.SiLU(inplace=True)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return x * torch.sigmoid(self.expand(self.activation(self.reduce(self.pool(x)))))


class MBConv(nn.Module):
    """Inverted residual: 1x1 expansion, depthwise convolution, squeeze-and-excitation, 1x1 projection.

    Parameters
    ----------
    in_channels
        Input width; an NNI expression where the block before has cells of several widths.
    out_channels
        Output width.
    kernel_size
        Of the depthwise convolution.
    expansion
        Hidden width over input width; 1 leaves the expansion convolution out.
    stride
        Of the depthwise convolution.
    residual
        Whether the input is added to the output; needs stride 1 and equal widths.
    """

    def __init__(self, in_channels: Width, out_channels: int, kernel_size: int, expansion: int, *, stride: int = 1,
                 residual: bool = False):
        super().__init__()
        hidden = in_channels * expansion
        self.residual = residual
        self.expand = ConvBN(in_channels, hidden, 1) if expansion > 1 else nn.Identity()
        self.depthwise = ConvBN(hidden, hidden, kernel_size, stride=stride, groups=hidden)
        self.squeeze_excite = SqueezeExcite(hidden, in_channels // 4)
        self.project = ConvBN(hidden, out_channels, 1, activation=False)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        y = self.project(self.squeeze_excite(self.depthwise(self.expand(x))))
        return x + y if self.residual else y
