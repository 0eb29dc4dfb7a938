"""Model spaces made of given parts, hub spaces of moderate size, and what several tests ask of them."""

from __future__ import annotations

import itertools

import nni
import numpy as np
import torch
from torch import nn
from torchvision import models
from nni.mutable import MutableExpression
from nni.nas.hub import pytorch as hub
from nni.nas.nn.pytorch import LayerChoice, ModelSpace, MutableBatchNorm2d, MutableConv2d
from nni.nas.nn.pytorch.base import recursive_freeze

from nni_dna.spaces import chain_of
from nni_dna.spaces.units import units_of
from nni_dna.teacher import StagedTeacher, find_stages


class Made(ModelSpace):
    """Named parts that run one after another, unless told otherwise.

    ``parts`` gives them when called, since NNI wants choices to be made within a model space's constructor.
    """

    def __init__(self, parts, run=None):
        super().__init__()
        self.run = run
        for name, part in parts().items():
            setattr(self, name, part)

    def forward(self, x):
        if self.run is not None:
            return self.run(self, x)
        for part in self.children():
            x = part(x)
        return x


def made(parts, run=None):
    """A space on the meta device."""
    return on_meta(lambda: Made(parts, run))


def on_meta(make):
    """What ``make`` builds, without memory for its weights."""
    try:
        with torch.device('meta'):
            return make()
    except RuntimeError:  # a constructor that computes with tensors
        return make().to('meta')


def seq(*modules):
    return nn.Sequential(*modules)


def conv(kernel=3, channels=3, out=None, stride=1):
    """A convolution that keeps the resolution, or halves it."""
    return MutableConv2d(channels, channels if out is None else out, kernel, stride, kernel // 2)


def choice(label, channels=3, out=None, stride=1, kernels=(1, 3)):
    """A choice among kernel sizes, each with weights of its own."""
    return LayerChoice({f'k{kernel}': conv(kernel, channels, out, stride) for kernel in kernels}, label=label)


def width(label, widths):
    """A width that the name of a cell decides."""
    return MutableExpression(widths.__getitem__, 'width({})', [nni.choice(label, list(widths))])


def norm_conv(channels, out, kernel=3, stride=1, groups=1):
    """Convolution, BatchNorm and activation, whose arguments may be choices."""
    return seq(MutableConv2d(channels, out, kernel, stride, kernel // 2, groups=groups, bias=False),
               MutableBatchNorm2d(out), nn.ReLU(inplace=True))


def listed(**labels):
    """A search-space definition."""
    return {label: {'_type': 'choice', '_value': values} for label, values in labels.items()}


def stages_for(space, size):
    """Stages of every size that a module of the space gives, named after it."""
    return [(unit.name, unit.size) for unit in units_of(space, (3, size, size)) if unit.size]


def read(space, size=16, definition=None, **options):
    """The chain of a space, as if the teacher had a stage of every size."""
    return chain_of(space, (3, size, size), stages=stages_for(space, size), chosen_stages=False, definition=definition,
                    **options)[0]


def layer_options(cell):
    return [[dict(option) for option in layer.options] for layer in cell.layers]


def teacher_stages(name, size):
    """The stages that are found in a network of torchvision, with their sizes."""
    network = models.get_model(name, num_classes=5)
    names = find_stages(network, (3, size, size))
    maps = StagedTeacher(network, names)(torch.zeros(1, 3, size, size))
    return [(stage, tuple(feature_map.shape[2:])) for stage, feature_map in zip(names, maps)]


def random_paths(chain, number, seed=0):
    """Path numbers of random architectures."""
    rng = np.random.default_rng(seed)
    return [tuple(int(rng.integers(block.paths)) for block in chain.blocks) for _ in range(number)]


def all_paths(chain):
    """Path numbers of all architectures."""
    return itertools.product(*(range(block.paths) for block in chain.blocks))


def nni_freezes(module, sample):
    """What NNI itself makes of a module and a sample."""
    return recursive_freeze(module, sample)[0]


def proxyless(widths=(8, 8, 8, 8, 16, 16, 16, 16, 24)):
    return hub.ProxylessNAS(5, base_widths=widths)


def shuffle(**options):
    return hub.ShuffleNetSpace(5, **options)


def mobilenet(multipliers=1.0, depth=(1, 2), expand=(1., 3.), widths=(8, 8, 8, 16, 16, 24, 24, 32, 40), **options):
    """NNI's MobileNetV3Space, narrowed."""
    return hub.MobileNetV3Space(5, base_widths=widths, width_multipliers=multipliers, expand_ratios=expand, depth_range=depth,
                                **options)


def short_mobilenet(multipliers=(0.5, 1.0), **options):
    """NNI's MobileNetV3Space of two stages, with a choice of widths."""
    return mobilenet(multipliers, widths=(16, 16, 24, 32, 48, 64), squeeze_excite=('none', 'optional', 'none'),
                     stride=(2, 1, 2, 2, 1, 1), activation=('hswish', 'relu', 'relu', 'hswish', 'hswish', 'hswish'), **options)


def both(label):
    return [{label: 'k1'}, {label: 'k3'}]


def only_cell(parts, **options):
    """The one cell of a space of one block."""
    chain = read(made(parts), **options)
    assert len(chain.blocks) == len(chain.blocks[0].cells) == 1
    return chain.blocks[0].cells[0]


def cells_of(block):
    return [(cell.name, dict(cell.choice), layer_options(cell)) for cell in block.cells]


def samples(chain):
    return [chain.architecture(paths) for paths in all_paths(chain)]
