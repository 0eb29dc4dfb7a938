"""The model space of the comparison: a chain of layer choices, which every strategy of NNI and DNA can search."""

import torch
from nni.nas.nn.pytorch import LayerChoice, ModelSpace
from own_space import Layer, conv_bn
from torch import nn


def layer(width: int, label: str) -> LayerChoice:
    """A layer with a shortcut, or none at all: 3x3 or 5x5, dense or separable.

    Parameters
    ----------
    width
        The number of channels.
    label
        The choice's.
    """
    return LayerChoice({
        'conv3': Layer(conv_bn(width, width, 3)),
        'conv5': Layer(conv_bn(width, width, 5)),
        # Cheaper: each channel by itself, and then 1x1 across the channels.
        'separable3': Layer(conv_bn(width, width, 3, groups=width), conv_bn(width, width, 1)),
        'separable5': Layer(conv_bn(width, width, 5, groups=width), conv_bn(width, width, 1)),
        'skip': nn.Identity(),
    }, label=label)


class CompareSpace(ModelSpace):
    """Stages at half the resolution of the one before; in each a convolution with stride 2, and layers to choose.

    Numbers, such as widths, are fixed: NNI's Proxyless cannot choose them. With D layers in each of S stages there are 5^(D S)
    architectures.

    Parameters
    ----------
    widths
        The number of channels of each stage.
    depth
        Layers in each stage, after the one that halves the resolution.
    num_classes
        The number of classes.
    """

    def __init__(self, widths: tuple[int, ...], depth: int, num_classes: int) -> None:
        super().__init__()
        stages = []
        for number, (before, width) in enumerate(zip((3, *widths), widths), start=1):
            stages.append(nn.Sequential(nn.AvgPool2d(2), conv_bn(before, width, 1),
                                        *(layer(width, f'stage{number}_layer{index}') for index in range(1, depth + 1))))
        self.stages = nn.Sequential(*stages)
        self.pool = nn.AdaptiveAvgPool2d(1)
        self.classifier = nn.Linear(widths[-1], num_classes)

    def forward(self, images: torch.Tensor) -> torch.Tensor:
        features = self.pool(self.stages(images))
        return self.classifier(features.view(features.size(0), -1))
