"""Steps of several paths, and of chains of blocks: which modules run, and what gradients they get."""

from __future__ import annotations

import copy
import weakref
from collections import Counter

import pytest
import toys
import torch
from nni.nas.nn.pytorch import LayerChoice, ModelSpace
from test_blockwise_training import loader, record_calls, same, toy_images, weights_of
from torch import nn

from nni_dna.distill import BlockwiseDistillation, SearchedBlock
from nni_dna.distill.gradients import GradientSum
from nni_dna.lightning import make_trainer, seed_all
from nni_dna.settings.distillation import DistillSettings

CASCADE = {'input': 'cascade', 'tasks': 'joint'}


class Uneven(ModelSpace):
    """Two blocks whose layers have 3, 2 and 3 candidates."""

    def __init__(self):
        super().__init__()
        self.first = self.layer('first', 3, 4, 2, (1, 3, 5))
        self.more = self.layer('more', 4, 4, 1, (1, 3))
        self.down = self.layer('down', 4, 8, 2, (1, 3, 5))

    @staticmethod
    def layer(label, channels, out, stride, kernels):
        return LayerChoice({f'k{kernel}': toys._conv(channels, out, kernel, stride) for kernel in kernels}, label=label)

    def forward(self, x):
        return self.down(self.more(self.first(x)))


def make_module(teacher, supernets, searched=None, seed=0, reports=None, **settings):
    return BlockwiseDistillation(teacher, supernets, DistillSettings(**settings), seed,
                                 (lambda means: None) if reports is None else reports.append, searched)


def fit(teacher, supernets, epochs=2, **options):
    """Distil; returns the trainer."""
    seed_all(0)
    trainer = make_trainer(epochs)
    trainer.fit(make_module(teacher, supernets, **options), loader())
    return trainer


def count_candidates(supernet):
    """How often each candidate operation ran, by layer."""
    counts = []
    for layer in supernet.layers:
        counter = Counter({name: 0 for name, _ in layer.named_children()})
        for name, candidate in layer.named_children():
            candidate.register_forward_hook(lambda module, *_, name=name, counter=counter: counter.update([name]))
        counts.append(counter)
    return counts


def test_fair_training_runs_each_candidate_once_a_step_and_steps_once_a_batch(teacher):
    supernets = toys.supernets(teacher)
    counts = {key: count_candidates(supernet) for key, supernet in supernets.items()}
    trainer = fit(teacher, supernets, sampling='fair')
    assert trainer.global_step == 8
    for layers in counts.values():
        assert layers and all(set(layer.values()) == {8} and len(layer) == 2 for layer in layers)


def test_with_fewer_candidates_a_layer_is_as_fair_as_can_be_at_every_step(teacher):
    supernets = toys.supernets(teacher, make=Uneven)
    first, more = count_candidates(supernets[0, 0])
    down, = count_candidates(supernets[1, 0])
    module = make_module(teacher, supernets, sampling='fair')
    for step in range(1, 10):
        module.training_step((toy_images(4)[0], None), step)
        assert set(first.values()) == set(down.values()) == {step}
        assert sum(more.values()) == 3 * step and max(more.values()) - min(more.values()) <= 1


def grads_of(supernet):
    return {name: None if weight.grad is None else weight.grad.clone() for name, weight in supernet.named_parameters()}


def check_gradients(found, expected):
    assert found.keys() == expected.keys()
    assert any(grad is not None for grad in found.values())
    for name, grad in found.items():
        assert (grad is None) == (expected[name] is None), name
        if grad is not None:
            torch.testing.assert_close(grad, expected[name], rtol=1e-4, atol=1e-7)


@pytest.mark.parametrize('settings, count', [({}, 1), ({'paths_per_step': 3}, 3), ({'sampling': 'fair'}, 2)])
@pytest.mark.parametrize('make', [toys.Space, toys.Scaled])
def test_gradients_and_loss_are_those_of_the_drawn_paths_added_up(teacher, make, settings, count):
    supernets = toys.supernets(teacher, make=make)
    plain = copy.deepcopy(supernets)
    calls = {key: record_calls(supernet) for key, supernet in supernets.items()}
    reports = []
    module = make_module(teacher, supernets, reports=reports, **settings)
    images = toy_images(8)[0]
    loss = module.training_step((images, None), 0)
    loss.backward()
    module.on_train_epoch_end()
    maps, total = [images, *teacher(images)], 0.0
    for key, supernet in plain.items():
        assert len(calls[key]) == count
        losses = [(supernet(maps[key[0]], cell, path) - maps[key[0] + 1]).square().mean() for _, cell, path in calls[key]]
        sum(losses).backward()
        check_gradients(grads_of(supernets[key]), grads_of(supernet))
        assert reports[0][key] == pytest.approx(sum(losses).item() / count, rel=1e-5)
        total += sum(losses).item()
    assert loss.item() == pytest.approx(total, rel=1e-5)


@pytest.mark.parametrize('settings, count', [({}, 1), ({'paths_per_step': 2}, 2), ({'sampling': 'fair'}, 2)])
def test_a_cascade_trains_all_blocks_of_a_chain_end_to_end(teacher, settings, count):
    supernets = toys.supernets(teacher)
    plain = copy.deepcopy(supernets)
    calls = {key: record_calls(supernet) for key, supernet in supernets.items()}
    module = make_module(teacher, supernets, **CASCADE, **settings)
    images = toy_images(8)[0]
    loss = module.training_step((images, None), 0)
    loss.backward()
    first, = (key for key in ((0, 0), (0, 1)) if calls[key])
    other = (0, 1 - first[1])
    assert len(calls[first]) == len(calls[1, 0]) == count
    targets, total = teacher(images), 0.0
    for (features, cell, path), (given, next_cell, next_path) in zip(calls[first], calls[1, 0]):
        assert torch.equal(features, images)
        middle = plain[first](images, cell, path)
        assert torch.equal(given, middle)
        last = plain[1, 0](middle, next_cell, next_path)
        total = total + (middle - targets[0]).square().mean() + (last - targets[1]).square().mean()
    total.backward()
    assert loss.item() == pytest.approx(total.item(), rel=1e-5)
    check_gradients(grads_of(supernets[first]), grads_of(plain[first]))
    check_gradients(grads_of(supernets[1, 0]), grads_of(plain[1, 0]))
    assert not any(grad is not None for grad in grads_of(supernets[other]).values())


def test_a_cascade_reports_the_supernets_that_it_drew(teacher):
    reports = []
    module = make_module(teacher, toys.supernets(teacher), reports=reports, **CASCADE)
    for _ in range(12):
        module.training_step((toy_images(4)[0], None), 0)
        module.on_train_epoch_end()
    assert {tuple(sorted(report)) for report in reports} == {((0, 0), (1, 0)), ((0, 1), (1, 0))}


def test_a_block_behind_searched_ones_gets_their_output_and_they_stay_as_they_are(teacher):
    supernets = toys.supernets(teacher)
    searched = SearchedBlock(supernet=supernets[0, 1], cell=0, path=(1, 0))
    plain = copy.deepcopy(supernets[0, 1]).eval()
    before = weights_of(supernets[0, 1])
    own = {(1, 0): supernets[1, 0]}
    calls = record_calls(supernets[1, 0])
    module = make_module(teacher, own, [searched])
    module.train()
    images, untrained = toy_images(8)[0], copy.deepcopy(supernets[1, 0])
    loss = module.training_step((images, None), 0)
    loss.backward()
    (features, cell, path), = calls
    with torch.no_grad():
        assert torch.equal(features, plain(images, 0, (1, 0)))
        expected = (untrained(features, cell, path) - teacher(images)[1]).square().mean()
    assert loss.item() == pytest.approx(expected.item(), rel=1e-5)
    fit(teacher, own, searched=[searched], input='progressive')
    assert same(weights_of(supernets[0, 1]), before)
    assert not any(weight.requires_grad for weight in supernets[0, 1].parameters())
    assert not any(isinstance(part, nn.BatchNorm2d) and part.training for part in supernets[0, 1].modules())


# One at a time in memory

class _Saved:
    """A tensor that the backward pass will need."""

    def __init__(self, tensor):
        self.tensor = tensor


def most_saved(module, images):
    """The most bytes that a step keeps for its backward pass at any time."""
    alive, most = weakref.WeakSet(), 0

    def pack(tensor):
        nonlocal most
        saved = _Saved(tensor)
        alive.add(saved)
        most = max(most, sum(each.tensor.nbytes for each in list(alive)))
        return saved

    with torch.autograd.graph.saved_tensors_hooks(pack, lambda saved: saved.tensor):
        loss = module.training_step((images, None), 0)
        loss.backward()
    return most


@pytest.mark.parametrize('settings', [{}, {'sampling': 'fair'}])
def test_only_one_path_at_a_time_has_activations(teacher, settings):
    supernets = toys.supernets(teacher, make=toys.Space)
    images = toy_images(8)[0]
    alone = {key: most_saved(make_module(teacher, {key: supernet}), images) for key, supernet in supernets.items()}
    together = most_saved(make_module(teacher, supernets, **settings), images)
    # Whichever candidates are drawn: k3 keeps no more than k1 but its weights.
    assert min(alone.values()) > 0 and together < 1.2 * max(alone.values()) < 0.8 * sum(alone.values())


def test_half_precisions_scale_leaves_the_gradients_as_they_are(teacher):
    found = []
    for scaler in (None, torch.amp.GradScaler('cpu', init_scale=1024.0)):
        supernets = toys.supernets(teacher)
        module = make_module(teacher, supernets, sampling='fair')
        module._scaler = scaler
        module.training_step((toy_images(8)[0], None), 0).backward()
        found.append({key: grads_of(supernet) for key, supernet in supernets.items()})
    for key, grads in found[0].items():
        assert all(torch.equal(grad, found[1][key][name]) for name, grad in grads.items() if grad is not None)


def test_small_gradients_survive_half_precision():
    weight = torch.nn.Parameter(torch.tensor([1.0]))
    for scale, survives in ((1.0, False), (2.0 ** 16, True)):
        gradients = GradientSum(scale)
        gradients.add([(weight.half() * 1e-4).float().sum() * 1e-5], [weight])
        weight.grad = None
        (gradients.total() * scale).backward()
        assert bool(weight.grad.abs() > 0) == survives


@pytest.mark.parametrize('options', [{'gradient_clip_val': 1e-3}, {'accumulate_grad_batches': 3}, {'precision': 'bf16-mixed'}],
                         ids=str)
@pytest.mark.parametrize('settings', [{}, CASCADE], ids=['apart', 'cascade'])
def test_the_trainers_options_mean_what_they_mean_to_one_loss(teacher, monkeypatch, options, settings):
    """A plain training of the same paths, whose loss Lightning goes backward from."""
    class Plain(BlockwiseDistillation):
        def training_step(self, batch, batch_idx):
            inputs, targets = self.inputs(batch[0])
            losses = []
            for chain in self._sampler.chains():
                x = inputs[chain[0][0][0]]
                for key, cell, path in chain:
                    x = self._by_key[key](x, cell, path)
                    losses.append((x - targets[key[0]]).square().mean())
                    self._sums[key], self._counts[key] = losses[-1].detach(), 1
            return torch.stack(losses).sum()

    found = []
    for kind in (BlockwiseDistillation, Plain):
        supernets = toys.supernets(teacher)
        seed_all(0)
        trainer = make_trainer(2, accelerator='cpu', **options)
        trainer.fit(kind(teacher, supernets, DistillSettings(**settings), 0, lambda means: None), loader())
        found.append([weights_of(supernet) for supernet in supernets.values()])
    for ours, plain in zip(*found):
        for name, weight in ours.items():
            # Adam makes rounding of gradients near 0 visible: its steps do not depend on their size.
            torch.testing.assert_close(weight, plain[name], rtol=1e-4, atol=1e-4)
