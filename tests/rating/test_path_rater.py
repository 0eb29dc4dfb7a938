"""All paths of a cell in one traversal, against one plain pass per path."""

import copy
import itertools

import nni
import numpy as np
import pytest
import torch
from torch import nn
from nni.nas.nn.pytorch import LayerChoice, ModelSpace, MutableBatchNorm2d, MutableConv2d

import toys
from nni_dna.rating import PathRater
from nni_dna.spaces import build_space, read_chain
from nni_dna.supernet import CellSupernet, DNAMutator

TOY_CELLS = [(0, 0), (0, 1), (1, 0)]


def recalibrate(network, features, path):
    """Give each BatchNorm the statistics of its own input, as training mode with a momentum of 1 would."""
    taken = []
    handles = [norm.register_forward_pre_hook(lambda module, inputs: taken.append(
                   (module, inputs[0].mean((0, 2, 3)), inputs[0].var((0, 2, 3)))))
               for norm in network.modules() if isinstance(norm, nn.BatchNorm2d) and norm.track_running_stats]
    network.train()
    for part in network.modules():
        if isinstance(part, nn.Dropout):
            part.eval()
    network(features.clone(), path)
    for handle in handles:
        handle.remove()
    for norm, mean, variance in taken:
        norm.running_mean.copy_(mean)
        norm.running_var.copy_(variance)
    network.eval()


@torch.no_grad()
def plain_ratings(supernet, calibration, held_out):
    """For each path: a copy of the whole supernet, BatchNorm recalibrated from scratch, the formula in NumPy."""
    target = np.concatenate([target.double().numpy() for _, target in held_out])
    ratings = []
    for path in itertools.product(*(range(base) for base in supernet.radix[1:-1])):
        network = copy.deepcopy(supernet)
        recalibrate(network, calibration, path)
        output = np.concatenate([network(features.clone(), path).double().numpy() for features, _ in held_out])
        ratings.append(np.abs(target - output).sum() / (target.size * target.std()))
    return ratings


def rate(supernet, calibration, held_out):
    rater = PathRater(supernet)
    rater.calibrate(calibration)
    for features, target in held_out:
        rater.add(features, target)
    return rater.ratings().tolist()


def stir(module, seed=0):
    """Weights and statistics as after some training."""
    generator = torch.Generator().manual_seed(seed)
    for part in module.modules():
        if isinstance(part, nn.BatchNorm2d):
            with torch.no_grad():
                part.weight.uniform_(0.5, 2, generator=generator)
                part.bias.normal_(generator=generator)
                part.running_mean.normal_(generator=generator)
                part.running_var.uniform_(0.1, 9, generator=generator)


@pytest.fixture(scope='module')
def teacher():
    made = toys.staged_teacher()
    stir(made, seed=5)
    return made


@pytest.fixture(scope='module')
def maps(teacher):
    """[images, stage 1, stage 2] of 40 images: 24 to calibrate, 16 held out."""
    images = torch.randn(40, 3, 16, 16, generator=torch.Generator().manual_seed(3)) + 0.3
    return [images, *teacher(images)]


def task_of(maps, block):
    return maps[block][:24], [(maps[block][24:], maps[block + 1][24:])]


@pytest.fixture
def supernets(teacher):
    found = toys.supernets(teacher)
    for key, supernet in found.items():
        stir(supernet, seed=sum(key))
    return found


@pytest.mark.parametrize('key', TOY_CELLS)
def test_every_path_of_the_toy_space_is_rated_as_by_a_plain_pass_of_its_own(supernets, maps, key):
    calibration, held_out = task_of(maps, key[0])
    expected = plain_ratings(supernets[key], calibration, held_out)
    ratings = rate(supernets[key], calibration, held_out)
    assert ratings == pytest.approx(expected, rel=1e-6)
    assert len(set(ratings)) == len(ratings) > 1


def digits_supernet(block, cell, width):
    torch.manual_seed(0)
    space = build_space('digits', {}, num_classes=10)
    entry = nn.Sequential(nn.Conv2d(9, width, 1, bias=False), nn.BatchNorm2d(width))
    supernet = DNAMutator().supernet(space, read_chain(space), block=block, cell=cell, entry=entry,
                                     exit=nn.Conv2d(24, 7, 1))
    stir(supernet)
    return supernet


def test_every_path_of_a_digits_cell_is_rated_as_by_a_plain_pass_of_its_own():
    supernet = digits_supernet(2, 2, 16)
    generator = torch.Generator().manual_seed(1)
    calibration = torch.randn(12, 9, 4, 4, generator=generator)
    held_out = [(torch.randn(size, 9, 4, 4, generator=generator), torch.randn(size, 7, 2, 2, generator=generator))
                for size in (6, 3)]
    ratings = rate(supernet, calibration, held_out)
    assert len(ratings) == 36
    assert ratings == pytest.approx(plain_ratings(supernet, calibration, held_out), rel=1e-5)


@pytest.mark.parametrize('key', TOY_CELLS)
def test_ratings_do_not_depend_on_the_statistics_from_training(supernets, maps, key):
    first = rate(supernets[key], *task_of(maps, key[0]))
    for part in supernets[key].modules():
        if isinstance(part, nn.BatchNorm2d):
            part.running_mean.fill_(100)
            part.running_var.fill_(0.01)
    assert rate(supernets[key], *task_of(maps, key[0])) == first


def test_ratings_depend_on_the_calibration_images(supernets, maps):
    calibration, held_out = task_of(maps, 1)
    ratings = rate(supernets[1, 0], calibration, held_out)
    assert ratings != pytest.approx(rate(supernets[1, 0], calibration * 2, held_out), rel=1e-3)


def test_a_path_is_rated_the_same_wherever_it_stands_in_the_order(supernets, maps):
    supernet = supernets[1, 0]
    options = [[{f'c{layer}': kernel} for kernel in ('k3', 'k1')] for layer in (1, 2)]  # the other way round
    turned = CellSupernet(supernet.steps[0], list(supernet.steps[1:-1]), options, supernet.steps[-1])
    assert rate(turned, *task_of(maps, 1)) == rate(supernet, *task_of(maps, 1))[::-1]


@pytest.mark.parametrize('key', TOY_CELLS)
@pytest.mark.parametrize('sizes', [(1,) * 16, (5, 11), (8, 8)])
def test_the_batches_of_held_out_images_do_not_matter(supernets, maps, key, sizes):
    calibration, [(features, target)] = task_of(maps, key[0])
    split = list(zip(features.split(sizes), target.split(sizes)))
    expected = rate(supernets[key], calibration, [(features, target)])
    assert rate(supernets[key], calibration, split) == pytest.approx(expected, rel=1e-6)
    assert rate(supernets[key], calibration, split[::-1]) == pytest.approx(expected, rel=1e-6)


def test_two_raters_of_one_supernet_do_not_disturb_each_other(supernets, maps):
    calibration, held_out = task_of(maps, 1)
    expected = rate(supernets[1, 0], calibration, held_out)
    first, second = PathRater(supernets[1, 0]), PathRater(supernets[1, 0])
    first.calibrate(calibration)
    second.calibrate(calibration * 3)
    for features, target in held_out:
        second.add(features, target)
        first.add(features, target)
    assert first.ratings().tolist() == expected


def test_a_rating_counts_all_images_that_were_added(supernets, maps):
    calibration, [(features, target)] = task_of(maps, 0)
    rater = PathRater(supernets[0, 1])
    rater.calibrate(calibration)
    for _ in range(3):
        rater.add(features, target)
    once = rate(supernets[0, 1], calibration, [(features, target)])
    assert rater.ratings().tolist() == pytest.approx(once, rel=1e-12)


def test_rating_leaves_weights_momenta_and_evaluation_mode(supernets, maps):
    supernet = supernets[1, 0].train()
    momenta = {}
    for number, (name, part) in enumerate(supernet.named_modules()):
        if isinstance(part, nn.BatchNorm2d):
            part.momentum = momenta[name] = 0.01 * (number + 1)
    weights = {name: weight.clone() for name, weight in supernet.named_parameters()}
    rate(supernet, *task_of(maps, 1))
    norms = {name: part for name, part in supernet.named_modules() if isinstance(part, nn.BatchNorm2d)}
    assert {name: norm.momentum for name, norm in norms.items()} == momenta
    assert all(torch.equal(weight, weights[name]) for name, weight in supernet.named_parameters())
    assert not supernet.training
    assert not any(part._forward_hooks for part in supernet.modules())


def test_a_path_whose_output_is_not_finite_has_a_rating_that_is_not(supernets, maps):
    with torch.no_grad():
        supernets[1, 0].steps[1].get_submodule('k3')[0].weight[0] = float('nan')
    ratings = rate(supernets[1, 0], *task_of(maps, 1))
    assert np.isfinite(ratings).tolist() == [True, True, False, False]


def test_the_best_imitator_of_the_teacher_has_the_smallest_rating(maps):
    class Spans(ModelSpace):
        """The teacher's own first stage, and others that see less of the image."""

        def __init__(self):
            super().__init__()
            self.blocks = nn.Sequential(nn.Sequential(LayerChoice({
                f'k{kernel}': nn.Sequential(MutableConv2d(3, 8, kernel, 2, kernel // 2), MutableBatchNorm2d(8),
                                            nn.ReLU())
                for kernel in (1, 3)}, label='kernel')))

        def forward(self, x):
            return self.blocks(x)

    torch.manual_seed(0)
    space, network = Spans(), toys.Teacher()
    supernet = DNAMutator().supernet(space, read_chain(space), block=0, cell=0, entry=nn.Identity(), exit=nn.Identity())
    supernet.steps[1].get_submodule('k3').load_state_dict(network.stage1.state_dict())
    with torch.no_grad():
        network.stage1.train()
        target = network.stage1(maps[0])
    bad, good = rate(supernet, maps[0], [(maps[0], target)])
    assert good < 0.01 < 0.1 < bad


class Widths(ModelSpace):
    """A hidden width chosen within a layer, and its BatchNorm with it."""

    def __init__(self):
        super().__init__()
        width = nni.choice('width', [2, 5])
        self.blocks = nn.Sequential(nn.Sequential(nn.Sequential(
            MutableConv2d(3, width, 1), MutableBatchNorm2d(width), nn.ReLU(), MutableConv2d(width, 4, 1))))

    def forward(self, x):
        return self.blocks(x)


class Odd(ModelSpace):
    """Candidates of one layer behind a fixed convolution."""

    def __init__(self, candidates):
        super().__init__()
        self.blocks = nn.Sequential(nn.Sequential(MutableConv2d(3, 4, 1), LayerChoice(candidates(), label='a')))

    def forward(self, x):
        return self.blocks(x)


def odd_supernet(candidates):
    torch.manual_seed(0)
    space = Odd(candidates)
    return DNAMutator().supernet(space, read_chain(space), block=0, cell=0, entry=nn.Identity(), exit=nn.Identity())


@pytest.fixture
def odd_task():
    generator = torch.Generator().manual_seed(0)
    calibration, features = torch.randn(2, 6, 3, 5, 5, generator=generator)
    return calibration, [(features, torch.randn(6, 4, 5, 5, generator=generator))]


def test_a_width_chosen_within_a_layer_is_rated_as_by_a_plain_pass_of_its_own(odd_task):
    torch.manual_seed(0)
    space = Widths()
    supernet = DNAMutator().supernet(space, read_chain(space), block=0, cell=0, entry=nn.Identity(), exit=nn.Identity())
    stir(supernet)
    calibration, [(features, target)] = odd_task
    ratings = rate(supernet, calibration, [(features, target)])
    sliced = []
    for option, width in enumerate((2, 5)):
        conv, norm, _, last = supernet.steps[1]
        plain = nn.Sequential(nn.Conv2d(3, width, 1), nn.BatchNorm2d(width, momentum=1.0), nn.ReLU(),
                              nn.Conv2d(width, 4, 1))
        with torch.no_grad():
            for target_weight, weight in ((plain[0].weight, conv.weight[:width]), (plain[0].bias, conv.bias[:width]),
                                          (plain[1].weight, norm.weight[:width]), (plain[1].bias, norm.bias[:width]),
                                          (plain[3].weight, last.weight[:, :width]), (plain[3].bias, last.bias)):
                target_weight.copy_(weight)
            plain(calibration)
            sliced.append(((plain.eval()(features) - target).abs().mean() / target.std(correction=0)).item())
    assert ratings == pytest.approx(sliced, rel=1e-5)


def test_a_candidate_that_works_in_place_does_not_change_the_next_ones_input(odd_task):
    supernet = odd_supernet(lambda: [nn.Sequential(nn.ReLU(inplace=True), MutableConv2d(4, 4, 1)), nn.Identity()])
    assert rate(supernet, *odd_task) == pytest.approx(plain_ratings(supernet, *odd_task), rel=1e-6)


def test_a_candidate_that_works_in_place_does_not_change_the_teachers_maps(odd_task):
    space = Odd(lambda: [nn.Identity(), nn.Identity()])
    space.blocks[0][0] = nn.SiLU(inplace=True)
    supernet = DNAMutator().supernet(space, read_chain(space), block=0, cell=0, entry=nn.Identity(),
                                     exit=nn.Conv2d(3, 4, 1))
    calibration, [(features, target)] = odd_task
    before = calibration.clone(), features.clone()
    rate(supernet, calibration, [(features, target)])
    assert torch.equal(calibration, before[0]) and torch.equal(features, before[1])


def test_a_batch_norm_without_statistics_of_its_own_is_rated_too(odd_task):
    supernet = odd_supernet(lambda: [MutableBatchNorm2d(4, track_running_stats=False), nn.Identity()])
    assert rate(supernet, *odd_task) == pytest.approx(plain_ratings(supernet, *odd_task), rel=1e-6)


def test_dropout_does_not_blur_the_statistics(odd_task):
    supernet = odd_supernet(lambda: [nn.Sequential(nn.Dropout(0.5), MutableBatchNorm2d(4)),
                                     nn.Sequential(nn.Identity(), MutableBatchNorm2d(4))])
    dropped, kept = rate(supernet, *odd_task)
    assert dropped == pytest.approx(kept, rel=1e-6)
