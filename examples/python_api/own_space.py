"""A model space of your own, in the pieces that NNI offers. Start here for a space for your own task.

What a space needs, for NNI's strategies and for DNA alike:

- a class that inherits ``ModelSpace``; what its constructor takes must be plain values, as trials build it again from them;
- choices: ``LayerChoice`` (which layer), ``Repeat`` (how many layers), ``nni.choice`` (a number, such as a width);
- layers that take a number that is still open: ``MutableConv2d`` for ``nn.Conv2d``, ``MutableBatchNorm2d`` for
  ``nn.BatchNorm2d``, and so on. ``MutableConv2d(16, 32, 3)`` with plain numbers is the plain layer;
- a label on every choice. An architecture is a dictionary from these labels to what was chosen.
"""

from typing import Callable, Union

import nni
import torch
from nni.mutable import MutableExpression
from nni.nas.nn.pytorch import LayerChoice, ModelSpace, MutableBatchNorm2d, MutableConv2d, MutableLinear, Repeat
from torch import nn

Width = Union[int, MutableExpression]


def conv_bn(inputs: Width, outputs: Width, kernel: int, stride: int = 1, groups: Width = 1) -> nn.Sequential:
    """Convolution, BatchNorm and ReLU; the widths may be choices.

    Parameters
    ----------
    inputs, outputs
        The numbers of channels.
    kernel, stride, groups
        As of ``nn.Conv2d``.
    """
    return nn.Sequential(
        MutableConv2d(inputs, outputs, kernel, stride=stride, padding=kernel // 2, groups=groups, bias=False),
        MutableBatchNorm2d(outputs),
        nn.ReLU(inplace=True),
    )


class Layer(nn.Module):
    """Convolutions whose output is added to their input.

    Parameters
    ----------
    parts
        The convolutions, which leave the width as it is.
    """

    def __init__(self, *parts: nn.Module) -> None:
        super().__init__()
        self.parts = nn.Sequential(*parts)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return x + self.parts(x)


def layers_of(stage: str, width: Width) -> Callable[[int], LayerChoice]:
    """What ``Repeat`` calls for each of its layers; each has a choice, and so a label, of its own.

    Parameters
    ----------
    stage
        The stage's name, for the labels.
    width
        The stage's number of channels.
    """
    def layer(index: int) -> LayerChoice:
        return LayerChoice({
            'conv3': Layer(conv_bn(width, width, 3)),
            'conv5': Layer(conv_bn(width, width, 5)),
            # Cheaper: each channel by itself, and then 1x1 across the channels.
            'separable3': Layer(conv_bn(width, width, 3, groups=width), conv_bn(width, width, 1)),
            'separable5': Layer(conv_bn(width, width, 5, groups=width), conv_bn(width, width, 1)),
        }, label=f'{stage}_layer{index}')
    return layer


class OwnSpace(ModelSpace):
    """Four stages, each at half the resolution of the one before: 16, 8, 4 and 2 pixels for images of 32.

    Parameters
    ----------
    widths
        For each stage the widths to choose from.
    max_depth
        The most layers in a stage, after the one that halves the resolution.
    num_classes
        The number of classes.
    """

    def __init__(self, widths: tuple[tuple[int, ...], ...] = ((8, 12, 16), (12, 18, 24), (16, 24, 32), (24, 36, 48)),
                 max_depth: int = 2, num_classes: int = 10) -> None:
        super().__init__()
        before: Width = 3
        stages = []
        for number, candidates in enumerate(widths, start=1):
            stage = f'stage{number}'
            width = nni.choice(f'{stage}_width', list(candidates))
            stages.append(nn.Sequential(
                conv_bn(before, width, 3, stride=2),
                Repeat(layers_of(stage, width), (1, max_depth), label=f'{stage}_depth'),
            ))
            # The next stage takes as many channels as this one gives: the same choice, not one of its own.
            before = width
        self.stages = nn.Sequential(*stages)
        self.pool = nn.AdaptiveAvgPool2d(1)
        self.classifier = MutableLinear(before, num_classes)

    def forward(self, images: torch.Tensor) -> torch.Tensor:
        features = self.pool(self.stages(images))
        # Not flatten(): NNI's profilers cannot follow it where the width is still open.
        return self.classifier(features.view(features.size(0), -1))
