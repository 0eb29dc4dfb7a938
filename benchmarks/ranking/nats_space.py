"""The size space of NATS-Bench (Dong et al., TPAMI 2021) as an NNI ModelSpace: the widths of a fixed network for CIFAR-10.

The network is a 3x3 stem, a cell, a residual reduction block, a cell, a residual reduction block, a cell, and a linear
classifier. Each of the five after the stem has a width of its own; the stem has that of the first cell. The cell is that of
NAS-Bench-201 which the benchmark fixes for this space.
"""

from __future__ import annotations

from typing import Union

import nni
import torch
from nni.mutable import MutableExpression
from nni.nas.nn.pytorch import ModelSpace, MutableBatchNorm2d, MutableConv2d, MutableLinear
from torch import nn

__all__ = ['NatsSizeSpace', 'WIDTHS', 'architecture_of']

WIDTHS = (8, 16, 24, 32, 40, 48, 56, 64)
Width = Union[int, 'MutableExpression[int]']


class Projection(nn.Sequential):
    """1x1 convolution and BatchNorm: what a skip connection is where the width changes."""

    def __init__(self, in_width: Width, width: Width):
        super().__init__(MutableConv2d(in_width, width, 1, bias=False), MutableBatchNorm2d(width))


class ReluConvBN(nn.Sequential):
    """ReLU, 3x3 convolution, BatchNorm."""

    def __init__(self, in_width: Width, width: Width, stride: int = 1):
        super().__init__(nn.ReLU(), MutableConv2d(in_width, width, 3, stride, 1, bias=False), MutableBatchNorm2d(width))


class SizeCell(nn.Module):
    """|nor_conv_3x3~0|+|nor_conv_3x3~0|nor_conv_3x3~1|+|skip_connect~0|nor_conv_3x3~1|nor_conv_3x3~2|

    Parameters
    ----------
    in_width, width
        Of the input and of all three nodes.
    same
        Whether both are one and the same label, so that the skip connection is an identity.
    """

    def __init__(self, in_width: Width, width: Width, same: bool = False):
        super().__init__()
        self.conv01 = ReluConvBN(in_width, width)
        self.conv02 = ReluConvBN(in_width, width)
        self.conv12 = ReluConvBN(width, width)
        self.skip03 = nn.Identity() if same else Projection(in_width, width)
        self.conv13 = ReluConvBN(width, width)
        self.conv23 = ReluConvBN(width, width)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        first = self.conv01(x)
        second = self.conv02(x) + self.conv12(first)
        return self.skip03(x) + self.conv13(first) + self.conv23(second)


class Reduction(nn.Module):
    """Two ReLU-conv-BN, the first of stride 2, beside an average pool and a 1x1 convolution."""

    def __init__(self, in_width: Width, width: Width):
        super().__init__()
        self.convs = nn.Sequential(ReluConvBN(in_width, width, 2), ReluConvBN(width, width))
        self.shortcut = nn.Sequential(nn.AvgPool2d(2), MutableConv2d(in_width, width, 1, bias=False))

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return self.shortcut(x) + self.convs(x)


class NatsSizeSpace(ModelSpace):
    """All 32,768 networks; labels ``w1`` to ``w5``.

    Of the benchmark's networks this differs in one point: where two neighbouring widths happen to be equal, the benchmark's skip
    connection is an identity, and here it is a 1x1 convolution all the same, since what a module is may not depend on the block
    before it. (At most 2 x 4,160 parameters; the first cell's is an identity in both.)
    """

    def __init__(self, num_classes: int = 10):
        super().__init__()
        w1, w2, w3, w4, w5 = (nni.choice(f'w{number}', list(WIDTHS)) for number in range(1, 6))
        self.stem = nn.Sequential(MutableConv2d(3, w1, 3, 1, 1, bias=False), MutableBatchNorm2d(w1))
        self.cell1 = SizeCell(w1, w1, same=True)
        self.reduce2 = Reduction(w1, w2)
        self.cell3 = SizeCell(w2, w3)
        self.reduce4 = Reduction(w3, w4)
        self.cell5 = SizeCell(w4, w5)
        self.last = nn.Sequential(MutableBatchNorm2d(w5), nn.ReLU(), nn.AdaptiveAvgPool2d(1), nn.Flatten())
        self.classifier = MutableLinear(w5, num_classes)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        x = self.reduce2(self.cell1(self.stem(x)))
        x = self.cell5(self.reduce4(self.cell3(x)))
        return self.classifier(self.last(x))


def architecture_of(channels: str) -> dict[str, int]:
    """The sample of a row of the benchmark's table.

    Parameters
    ----------
    channels
        The five widths, such as ``16:16:24:64:8``.
    """
    return {f'w{number}': int(width) for number, width in enumerate(channels.split(':'), start=1)}
