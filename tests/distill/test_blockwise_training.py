"""Block-wise distillation of the toy task on Lightning."""

import copy
from collections import Counter
from unittest import mock

import numpy as np
import pytest
import torch
from scipy.stats import chisquare
from torch import nn
from torch.utils.data import DataLoader, TensorDataset
from nni.nas.nn.pytorch import LayerChoice, ModelSpace, MutableConv2d

import toys
from nni_dna.distill import BlockwiseDistillation
from nni_dna.lightning import make_trainer, seed_all
from nni_dna.settings.distillation import DistillSettings
from nni_dna.supernet import DNAMutator
from nni_dna.teacher import StagedTeacher

SPACES = [toys.Space, toys.Scaled]


def toy_images(count=64):
    train, _ = toys.images(None, count)
    return train.images.float() / 255 - 0.5, torch.tensor(train.targets)


def loader(count=64, batch_size=16, seed=0):
    return DataLoader(TensorDataset(*toy_images(count)), batch_size, shuffle=True,
                      generator=torch.Generator().manual_seed(seed))


def train(teacher, supernets, epochs=2, seed=0, **settings):
    """Distil; returns the reported losses per epoch, and the trainer."""
    reports = []
    seed_all(seed)
    module = BlockwiseDistillation(teacher, supernets, DistillSettings(**settings), seed, reports.append)
    trainer = make_trainer(epochs)
    trainer.fit(module, loader())
    return reports, trainer


def weights_of(module):
    return {name: tensor.clone() for name, tensor in module.state_dict().items()}


def same(a, b):
    return a.keys() == b.keys() and all(torch.equal(tensor, b[name]) for name, tensor in a.items())


def test_the_teacher_does_not_change(teacher):
    before = weights_of(teacher)
    supernets = toys.supernets(teacher)
    untrained = {key: weights_of(supernet) for key, supernet in supernets.items()}
    train(teacher, supernets)
    assert same(weights_of(teacher), before)
    assert not any(parameter.requires_grad for parameter in teacher.parameters())
    assert not any(same(weights_of(supernet), untrained[key]) for key, supernet in supernets.items())


@pytest.mark.parametrize('make', SPACES)
def test_supernets_trained_together_get_the_weights_that_each_gets_alone(teacher, make):
    together = toys.supernets(teacher, make=make)
    joint_losses, _ = train(teacher, together)
    for key in together:
        alone = toys.supernets(teacher, make=make)[key]
        losses, _ = train(teacher, {key: alone})
        assert same(weights_of(alone), weights_of(together[key]))
        assert [report[key] for report in losses] == [report[key] for report in joint_losses]


def test_the_seed_decides_the_paths(teacher):
    first, again, other = (toys.supernets(teacher) for _ in range(3))
    for supernets, seed in ((first, 0), (again, 0), (other, 1)):
        train(teacher, supernets, epochs=1, seed=seed)
    assert same(weights_of(first[1, 0]), weights_of(again[1, 0]))
    assert not same(weights_of(first[1, 0]), weights_of(other[1, 0]))


class PreActivation(ModelSpace):
    """Two cells that begin with an activation in place."""

    def __init__(self):
        super().__init__()
        self.blocks = nn.Sequential(LayerChoice({name: nn.Sequential(LayerChoice([
            nn.Sequential(nn.SiLU(inplace=True), MutableConv2d(3, 4, 3, 2, 1)),
            nn.Sequential(nn.SiLU(inplace=True), MutableConv2d(3, 4, 1, 2))], label=name)) for name in 'xy'},
            label='cell'))

    def forward(self, x):
        return self.blocks(x)


def test_a_cell_that_works_in_place_does_not_change_the_images_of_the_next(teacher):
    def make():
        space, found = PreActivation(), {}
        chain = toys.read_chain(copy.deepcopy(space))
        for number, name in enumerate(chain.blocks[0].supernets):
            torch.manual_seed(number)
            found[0, number] = DNAMutator().supernet(space, chain, block=0, name=name, entry=nn.Identity(),
                                                     exits=[nn.Conv2d(4, 8, 1)])
            for weight in found[0, number].parameters():
                nn.init.normal_(weight, std=0.1)
        return found
    one_stage = StagedTeacher(teacher.network, ['stage1'])
    together, alone = make(), make()[0, 1]
    train(one_stage, together, epochs=1)
    train(one_stage, {(0, 1): alone}, epochs=1)
    assert same(weights_of(alone), weights_of(together[0, 1]))


def record_calls(supernet):
    """What the supernet is given: (features, cell, path)."""
    calls = []
    supernet.register_forward_pre_hook(lambda module, inputs: calls.append((inputs[0].clone(), inputs[1], tuple(inputs[2]))))
    return calls


def sample(teacher, supernets, steps, seed=0):
    """The (cell, path) pairs that so many steps draw, by supernet."""
    calls = {key: record_calls(supernet) for key, supernet in supernets.items()}
    module = BlockwiseDistillation(teacher, supernets, DistillSettings(), seed, lambda means: None)
    images = toy_images(2)[0]
    with torch.no_grad(), mock.patch('nni_dna.distill.module.GradientSum'):
        for step in range(steps):
            module.training_step((images, None), step)
    return {key: [(cell, path) for _, cell, path in called] for key, called in calls.items()}


def uniform(values, count):
    """Whether all of so many values come, equally often as far as chance goes."""
    counts = Counter(values)
    return len(counts) == count and chisquare(list(counts.values())).pvalue > 1e-3


@pytest.mark.parametrize('make', SPACES)
def test_each_block_is_fed_with_the_teachers_map_before_it_and_judged_by_its_own(teacher, make):
    supernets = toys.supernets(teacher, make=make)
    calls = {key: record_calls(supernet) for key, supernet in supernets.items()}
    images = toy_images(8)[0]
    module = BlockwiseDistillation(teacher, supernets, DistillSettings(), 0, lambda means: None)
    loss = module.training_step((images, torch.zeros(8)), 0).item()
    maps = [images, *teacher(images)]
    expected = 0.0
    for (block, number), supernet in supernets.items():
        (features, cell, path), = calls[block, number]
        assert torch.equal(features, maps[block])
        expected += (supernet(maps[block], cell, path) - maps[block + 1]).square().mean().item()
    assert loss == pytest.approx(expected, rel=1e-5)


def test_a_batch_of_images_alone_is_trained_on_as_one_with_labels(teacher):
    images = toy_images(8)[0]
    losses = []
    for batch in (images, [images], (images, torch.zeros(8))):
        module = BlockwiseDistillation(teacher, toys.supernets(teacher), DistillSettings(), 0, lambda means: None)
        losses.append(module.training_step(batch, 0).item())
    assert losses[0] == losses[1] == losses[2]


def test_the_sampled_paths_are_uniform_and_independent_between_supernets(teacher):
    drawn = sample(teacher, toys.supernets(teacher), 400)
    for key, count in {(0, 0): 2, (0, 1): 4, (1, 0): 4}.items():
        assert len(drawn[key]) == 400 and {cell for cell, _ in drawn[key]} == {0}
        assert uniform(drawn[key], count)
    assert uniform(zip(drawn[0, 1], drawn[1, 0]), 16)


def test_of_several_cells_one_is_drawn_uniformly_and_then_a_path_of_it(teacher):
    drawn = sample(teacher, toys.supernets(teacher, make=toys.Scaled), 1200)
    for key, paths_of_cells in {(0, 0): [2, 2, 4, 4], (1, 0): [2, 4]}.items():
        cells = [cell for cell, _ in drawn[key]]
        assert uniform(cells, len(paths_of_cells))  # however many paths a cell has
        for cell, count in enumerate(paths_of_cells):
            assert uniform([path for other, path in drawn[key] if other == cell], count)
    assert uniform([(one[0], other[0]) for one, other in zip(drawn[0, 0], drawn[1, 0])], 8)


@pytest.mark.parametrize('seed', [0, 7])
@pytest.mark.parametrize('make', SPACES)
def test_the_stream_of_a_supernet_is_that_of_its_place_and_spends_nothing_on_a_single_cell(teacher, make, seed):
    supernets = toys.supernets(teacher, make=make)
    chain = toys.read_chain(make())
    drawn = sample(teacher, supernets, 20, seed)
    for key in supernets:
        block, stream = chain.blocks[key[0]], np.random.default_rng((seed, *key))
        cells = [cell for cell in block.cells if cell.supernet == block.supernets[key[1]]]
        for cell, path in drawn[key]:
            assert cell == (stream.integers(len(cells)) if len(cells) > 1 else 0)
            assert path == tuple(stream.integers(base) for base in cells[cell].radix)


def test_a_step_moves_the_weights_of_the_drawn_path_alone(teacher):
    supernet = toys.supernets(teacher, make=toys.Scaled)[0, 0]
    calls = record_calls(supernet)
    module = BlockwiseDistillation(teacher, {(0, 0): supernet}, DistillSettings(), 0, lambda means: None)
    seen = set()
    for step in range(12):
        supernet.zero_grad(set_to_none=True)
        module.training_step((toy_images(4)[0], None), step).backward()
        depth, width = divmod(calls[-1][1], 2)  # the cells are more=0 and more=1, each with the widths 3 and 5
        first, more = (supernet.get_submodule(f'layers.{index}') for index in (0, 1))
        assert any(weight.grad is not None for weight in more.parameters()) == bool(depth)
        kernel = first.get_submodule(('k1', 'k3')[calls[-1][2][0]])[0].weight
        assert kernel.grad[:3].abs().amin() > 0
        assert (kernel.grad[3:].abs().amax() > 0) == bool(width)
        seen.add((depth, width))
    assert len(seen) == 4


def test_the_paths_of_a_cell_are_drawn_again_in_each_step(teacher):
    supernets = {(0, 1): toys.supernets(teacher)[0, 1]}
    calls = record_calls(supernets[0, 1])
    train(teacher, supernets, epochs=3)
    paths = [path for _, _, path in calls]
    assert len(paths) == 12
    assert len({tuple(paths[epoch * 4:epoch * 4 + 4]) for epoch in range(3)}) > 1


@pytest.mark.parametrize('make', SPACES)
def test_the_loss_that_is_reported_goes_down_and_below_the_variance_of_the_map(teacher, make):
    supernets = toys.supernets(teacher, make=make)
    losses, _ = train(teacher, supernets, epochs=50, lr_first=0.02, lr=0.02, lr_decay=1.0)
    assert len(losses) == 50
    for key in supernets:
        curve = [report[key] for report in losses]
        variance = teacher(toy_images()[0])[key[0]].var(dim=(0, 2, 3)).mean().item()  # of the best constant output
        assert curve[-1] < 0.5 * curve[0]
        assert curve[-1] < variance


def test_the_reported_loss_is_the_mean_of_the_epochs_steps(teacher):
    supernets = {(1, 0): toys.supernets(teacher)[1, 0]}
    reports, steps = [], []
    module = BlockwiseDistillation(teacher, supernets, DistillSettings(), 0, reports.append)
    for epoch in range(2):
        batches = [toy_images(8)[0] * (1 + epoch + step) for step in range(3)]
        steps.append([module.training_step((images, None), step).item() for step, images in enumerate(batches)])
        module.on_train_epoch_end()
    assert [report[1, 0] for report in reports] == pytest.approx([np.mean(epoch) for epoch in steps], rel=1e-6)


def test_the_first_block_has_a_learning_rate_of_its_own_and_both_decay_by_the_epoch(teacher):
    _, trainer = train(teacher, toys.supernets(teacher), epochs=3, lr_first=0.002, lr=0.005, lr_decay=0.5,
                       weight_decay=1e-3)
    groups = trainer.optimizers[0].param_groups
    assert isinstance(trainer.optimizers[0], torch.optim.Adam)
    assert [group['lr'] for group in groups] == pytest.approx([0.002 / 8, 0.002 / 8, 0.005 / 8])
    assert {group['weight_decay'] for group in groups} == {1e-3}


@pytest.mark.parametrize('key, name', [((0, 1), 'block 1, supernet 2'), ((1, 0), 'block 2, supernet 1')])
def test_a_loss_that_is_not_a_number_ends_the_training_and_names_the_supernet(teacher, key, name):
    supernets = toys.supernets(teacher)
    with torch.no_grad():
        supernets[key].exits[0].bias.fill_(float('nan'))
    with pytest.raises(FloatingPointError, match=f'distillation loss of {name}, became nan; lower distill.lr'):
        train(teacher, supernets)


def test_a_loss_that_overflows_ends_the_training(teacher):
    with pytest.raises(FloatingPointError, match='became (inf|nan)'):
        train(teacher, {(1, 0): toys.supernets(teacher)[1, 0]}, lr=1e30)
