"""A small residual network to learn from: DNA's teacher in this example."""

import torch
from torch import nn


class Residual(nn.Module):
    """Two 3x3 convolutions and a shortcut.

    Parameters
    ----------
    inputs, outputs
        The numbers of channels.
    stride
        Of the first convolution and of the shortcut.
    """

    def __init__(self, inputs: int, outputs: int, stride: int) -> None:
        super().__init__()
        self.body = nn.Sequential(
            nn.Conv2d(inputs, outputs, 3, stride, 1, bias=False),
            nn.BatchNorm2d(outputs),
            nn.ReLU(inplace=True),
            nn.Conv2d(outputs, outputs, 3, 1, 1, bias=False),
            nn.BatchNorm2d(outputs),
        )
        self.shortcut = nn.Sequential(nn.Conv2d(inputs, outputs, 1, stride, bias=False), nn.BatchNorm2d(outputs))

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return torch.relu(self.body(x) + self.shortcut(x))


class SmallResNet(nn.Module):
    """Six stages with outputs of 16, 8, 4, 2, 2 and 1 pixels for images of 32.

    A teacher's stages teach the student's layers of the same resolution, so they halve it where the students do. Two stages of
    one resolution let a student that is deep there be cut into two blocks.

    Parameters
    ----------
    num_classes
        The number of classes.
    widths
        The number of channels of each stage.
    """

    def __init__(self, num_classes: int = 10, widths: tuple[int, ...] = (16, 32, 64, 96, 96, 128)) -> None:
        super().__init__()
        self.stage1 = Residual(3, widths[0], 2)
        self.stage2 = Residual(widths[0], widths[1], 2)
        self.stage3 = Residual(widths[1], widths[2], 2)
        self.stage4 = Residual(widths[2], widths[3], 2)
        self.stage5 = Residual(widths[3], widths[4], 1)
        self.stage6 = Residual(widths[4], widths[5], 2)
        self.pool = nn.AdaptiveAvgPool2d(1)
        self.classifier = nn.Linear(widths[5], num_classes)

    def forward(self, images: torch.Tensor) -> torch.Tensor:
        x = self.stage6(self.stage5(self.stage4(self.stage3(self.stage2(self.stage1(images))))))
        return self.classifier(self.pool(x).flatten(1))
