"""A task, a teacher and a model space small enough to run a whole campaign in seconds. Imported by path in tests."""

from __future__ import annotations

import os

import nni
import torch
from torch import nn
from nni.mutable import MutableExpression
from nni.nas.nn.pytorch import LayerChoice, ModelSpace, MutableBatchNorm2d, MutableConv2d, MutableLinear, Repeat

from nni_dna.data.sources import TensorImages


def images(root, count=64, size=16):
    """Bright squares in one of four corners: train and test datasets."""
    def make(seed, number):
        generator = torch.Generator().manual_seed(seed)
        pictures = torch.randint(0, 60, (number, 3, size, size), generator=generator, dtype=torch.uint8)
        labels = torch.arange(number) % 4
        half = size // 2
        for picture, label in zip(pictures, labels.tolist()):
            row, column = divmod(label, 2)
            picture[:, row * half:(row + 1) * half, column * half:(column + 1) * half] += 150
        return TensorImages(pictures, labels.tolist())
    return make(0, count), make(1, count // 2)


class Teacher(nn.Module):
    """Two stages, each halving the resolution."""

    def __init__(self, num_classes=4, width=8):
        super().__init__()
        self.stage1 = nn.Sequential(nn.Conv2d(3, width, 3, 2, 1), nn.BatchNorm2d(width), nn.ReLU())
        self.stage2 = nn.Sequential(nn.Conv2d(width, 2 * width, 3, 2, 1), nn.BatchNorm2d(2 * width), nn.ReLU())
        self.classifier = nn.Linear(2 * width, num_classes)

    def forward(self, x):
        return self.classifier(self.stage2(self.stage1(x)).mean((2, 3)))


def _conv(in_channels, out_channels, kernel, stride):
    return nn.Sequential(MutableConv2d(in_channels, out_channels, kernel, stride, kernel // 2),
                         MutableBatchNorm2d(out_channels), nn.ReLU())


def _layer(label, in_channels, out_channels, stride):
    candidates = {f'k{kernel}': _conv(in_channels, out_channels, kernel, stride) for kernel in (1, 3)}
    return LayerChoice(candidates, label=label)


class Space(ModelSpace):
    """Two blocks; the first chooses between two cells of different depth and width. 24 architectures."""

    def __init__(self, num_classes=4):
        super().__init__()
        cells = {
            'shallow': nn.Sequential(_layer('a1', 3, 4, 2)),
            'deep': nn.Sequential(_layer('b1', 3, 6, 2), _layer('b2', 6, 6, 1)),
        }
        self.blocks = nn.Sequential(
            LayerChoice(cells, label='cell'),
            nn.Sequential(_layer('c1', MutableExpression({'shallow': 4, 'deep': 6}.__getitem__, 'width({})',
                                                         [nni.choice('cell', ['shallow', 'deep'])]), 8, 2),
                          _layer('c2', 8, 8, 1)))
        self.classifier = MutableLinear(8, num_classes)

    def forward(self, x):
        return self.classifier(self.blocks(x).mean((2, 3)))


class Scaled(ModelSpace):
    """Two blocks, each of several cells on shared weights; the width of the first is handed on. 72 architectures."""

    def __init__(self, num_classes=4):
        super().__init__()
        width = nni.choice('width', [3, 5])
        self.first = _layer('first', 3, width, 2)
        self.more = Repeat(lambda index: _layer(f'more{index}', width, width, 1), (0, 1), label='more')
        self.down = _layer('down', width, 8, 2)
        self.last = Repeat(lambda index: _layer(f'last{index}', 8, 8, 1), (0, 1), label='last')
        self.classifier = MutableLinear(8, num_classes)

    def forward(self, x):
        return self.classifier(self.last(self.down(self.more(self.first(x)))).mean((2, 3)))


def settings(work, /, **changes):
    """``classArgs`` of a whole campaign of seconds; ``changes`` are merged into its sections."""
    base = {
        'work': str(work),
        'threads': 1,
        'data': {'name': 'toys.images', 'image_size': 16, 'batch_size': 16, 'holdout_per_class': 4, 'augment': 'none'},
        'teacher': {'name': 'toys.Teacher', 'stages': ['stage1', 'stage2'], 'epochs': 2, 'lr': 0.01},
        'space': {'name': 'toys.Space'},
        'distill': {'epochs': 2},
        'rate': {'calibration_images': 16},
        'search': {'top_k': 2},
        'retrain': {'recipe': 'quick', 'epochs': 2},
    }
    for key, value in changes.items():
        if isinstance(value, dict):
            base[key] = {**base.get(key, {}), **value}
        elif value is None:
            base.pop(key)
        else:
            base[key] = value
    return base


class _Broken(TensorImages):
    def __getitem__(self, index):
        raise RuntimeError('this image is broken')


def images_that_break_in_trials(root):
    """Fine for the checks before the first trial, broken in every trial."""
    train, test = images(root)
    if os.environ.get('NNI_TRIAL_JOB_ID'):
        train, test = _Broken(train.images, train.targets), _Broken(test.images, test.targets)
    return train, test


def staged_teacher(seed=0, **kwargs):
    """A frozen teacher with random weights."""
    from nni_dna.teacher import StagedTeacher
    torch.manual_seed(seed)
    return StagedTeacher(Teacher(**kwargs), ['stage1', 'stage2'])


def read_chain(space=None, definition=None, size=16, **kwargs):
    """The chain of a model space, cut where it says or by resolution, as if the teacher had a stage of every size."""
    from nni_dna.spaces import chain_of
    from nni_dna.spaces.units import units_of
    space = Space() if space is None else space
    shape = (3, size, size)
    space = space.to('meta')
    stages = [(unit.name, unit.size) for unit in units_of(space, shape) if unit.size]
    return chain_of(space, shape, stages=stages, chosen_stages=False, definition=definition, **kwargs)[0]


def supernets(teacher, restriction=None, seed=0, size=16, make=Space):
    """The supernets of a toy space (restricted or not) behind a staged teacher, by (block, supernet)."""
    from nni_dna.cost import border_shapes
    from nni_dna.supernet import DNAMutator, block_supernet
    chain = read_chain(make(), restriction, size)
    with torch.device('meta'):
        shapes = border_shapes(make(), chain, (3, size, size))
    targets = [tuple(feature_map.shape[1:]) for feature_map in teacher(torch.zeros(1, 3, size, size))]
    found = {}
    for b, s, _, name in chain.supernets():
        torch.manual_seed(seed + 100 * b + s)
        found[b, s] = block_supernet(DNAMutator(), make(), chain, b, name, shapes.inputs, shapes.outputs, targets)
    return found
