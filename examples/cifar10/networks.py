"""A residual teacher for images of 32 pixels: torchvision's blocks behind a stem that keeps the resolution."""

from __future__ import annotations

import torch
from torch import nn
from torchvision.models.resnet import BasicBlock

__all__ = ['SmallResNet']


class SmallResNet(nn.Module):
    """A 3x3 stem and three stages of residual blocks, each of which halves the resolution and doubles the width.

    Parameters
    ----------
    num_classes
        Of the task.
    width
        Of the first stage.
    depth
        Residual blocks per stage.
    """

    def __init__(self, num_classes: int, width: int = 32, depth: int = 2):
        super().__init__()
        self.stem = nn.Sequential(nn.Conv2d(3, width, 3, padding=1, bias=False), nn.BatchNorm2d(width), nn.ReLU(inplace=True))
        self.stage1 = _stage(width, width, depth)
        self.stage2 = _stage(width, 2 * width, depth)
        self.stage3 = _stage(2 * width, 4 * width, depth)
        self.classifier = nn.Linear(4 * width, num_classes)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        x = self.stage3(self.stage2(self.stage1(self.stem(x))))
        return self.classifier(x.mean((2, 3)))


def _stage(in_width: int, width: int, depth: int) -> nn.Sequential:
    shortcut = nn.Sequential(nn.Conv2d(in_width, width, 1, stride=2, bias=False), nn.BatchNorm2d(width))
    return nn.Sequential(BasicBlock(in_width, width, stride=2, downsample=shortcut),
                         *(BasicBlock(width, width) for _ in range(depth - 1)))
