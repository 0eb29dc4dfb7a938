"""Layers of every kind in a rated path: widths, spans, work in place, norms without statistics, dropout."""

import copy

import nni
import pytest
import torch
from torch import nn
from nni.nas.nn.pytorch import LayerChoice, ModelSpace, MutableBatchNorm2d, MutableConv2d
from plain_ratings import plain_rating, plain_ratings, rate, stir

import toys
from nni_dna.spaces.freezing import freeze
from nni_dna.supernet import DNAMutator


def only_supernet(space, entry=None, size=16):
    """The supernet of a space with a single one, whose block ends where the space does, and its cells."""
    last = list(dict(space.named_children()))[-1]
    chain = toys.read_chain(copy.deepcopy(space), size=size, ends=[last])
    block, = chain.blocks
    name, = block.supernets
    return DNAMutator().supernet(space, chain, block=0, name=name, entry=entry or nn.Identity(),
                                 exits=[nn.Identity()]), list(block.cells)


class Spans(ModelSpace):
    """The toy teacher's own first stage, and one that sees less of the image."""

    def __init__(self):
        super().__init__()
        self.layer = LayerChoice({
            f'k{kernel}': nn.Sequential(MutableConv2d(3, 8, kernel, 2, kernel // 2), MutableBatchNorm2d(8), nn.ReLU())
            for kernel in (1, 3)}, label='kernel')

    def forward(self, x):
        return self.layer(x)


def test_the_best_imitator_of_the_teacher_has_the_smallest_rating(maps):
    torch.manual_seed(0)
    network = toys.Teacher()
    supernet, cells = only_supernet(Spans())
    supernet.layers[0].get_submodule('k3').load_state_dict(network.stage1.state_dict())
    with torch.no_grad():
        network.stage1.train()
        target = network.stage1(maps[0])
    bad, good = rate(supernet, cells, maps[0], [(maps[0], target)])
    assert good < 0.01 < 0.1 < bad


class Steps(nn.Module):
    """As nn.Sequential, but one layer: its children share a width."""

    def __init__(self, *parts):
        super().__init__()
        self.parts = nn.ModuleList(parts)

    def forward(self, x):
        for part in self.parts:
            x = part(x)
        return x

    def __iter__(self):
        return iter(self.parts)


class Widths(ModelSpace):
    """A hidden width, and its BatchNorm with it: chosen within a layer, or by a cell of several layers."""

    def __init__(self, join):
        super().__init__()
        width = nni.choice('width', [2, 5])
        self.parts = join(MutableConv2d(3, width, 1), MutableBatchNorm2d(width), nn.ReLU(), MutableConv2d(width, 4, 1))

    def forward(self, x):
        return self.parts(x)


class Odd(ModelSpace):
    """Candidates of one layer behind a fixed convolution."""

    def __init__(self, candidates):
        super().__init__()
        self.first = MutableConv2d(3, 4, 1)
        self.then = LayerChoice(candidates(), label='a')

    def forward(self, x):
        return self.then(self.first(x))


def odd_supernet(candidates):
    torch.manual_seed(0)
    space = Odd(candidates)
    return only_supernet(space, freeze(space.first, {}), size=5)


@pytest.fixture
def odd_task():
    generator = torch.Generator().manual_seed(0)
    calibration, features = torch.randn(2, 6, 3, 5, 5, generator=generator)
    return calibration, [(features, torch.randn(6, 4, 5, 5, generator=generator))]


@pytest.mark.parametrize('join, cells', [(Steps, 1), (nn.Sequential, 2)])
def test_a_width_is_rated_as_by_a_plain_pass_of_its_own(odd_task, join, cells):
    torch.manual_seed(0)
    supernet, found = only_supernet(Widths(join), size=5)
    assert len(found) == cells and sum(cell.paths for cell in found) == 2
    stir(supernet)
    calibration, [(features, target)] = odd_task
    expected = []
    for width in (2, 5):
        conv, norm, _, last = supernet.layers[0] if join is Steps else supernet.layers
        plain = nn.Sequential(nn.Conv2d(3, width, 1), nn.BatchNorm2d(width), nn.ReLU(), nn.Conv2d(width, 4, 1))
        with torch.no_grad():
            for target_weight, weight in ((plain[0].weight, conv.weight[:width]), (plain[0].bias, conv.bias[:width]),
                                          (plain[1].weight, norm.weight[:width]), (plain[1].bias, norm.bias[:width]),
                                          (plain[3].weight, last.weight[:, :width]), (plain[3].bias, last.bias)):
                target_weight.copy_(weight)
        expected.append(plain_rating(plain, calibration, [(features, target)]))
    assert rate(supernet, found, *odd_task) == pytest.approx(expected, rel=1e-5)


def test_a_candidate_that_works_in_place_does_not_change_the_next_ones_input(odd_task):
    supernet, cells = odd_supernet(lambda: [nn.Sequential(nn.ReLU(inplace=True), MutableConv2d(4, 4, 1)), nn.Identity()])
    assert rate(supernet, cells, *odd_task) == pytest.approx(plain_ratings(supernet, cells, *odd_task), rel=1e-6)


def test_an_entry_that_works_in_place_does_not_change_the_teachers_maps(odd_task):
    supernet, cells = only_supernet(Widths(nn.Sequential), nn.SiLU(inplace=True), size=5)
    calibration, [(features, target)] = odd_task
    before = calibration.clone(), features.clone()
    rate(supernet, cells, calibration, [(features, target)])
    assert torch.equal(calibration, before[0]) and torch.equal(features, before[1])


def test_a_batch_norm_without_statistics_of_its_own_is_rated_too(odd_task):
    supernet, cells = odd_supernet(lambda: [MutableBatchNorm2d(4, track_running_stats=False), nn.Identity()])
    assert rate(supernet, cells, *odd_task) == pytest.approx(plain_ratings(supernet, cells, *odd_task), rel=1e-6)


def test_dropout_does_not_blur_the_statistics(odd_task):
    supernet, cells = odd_supernet(lambda: [nn.Sequential(nn.Dropout(0.5), MutableBatchNorm2d(4)),
                                            nn.Sequential(nn.Identity(), MutableBatchNorm2d(4))])
    dropped, kept = rate(supernet, cells, *odd_task)
    assert dropped == pytest.approx(kept, rel=1e-6)
