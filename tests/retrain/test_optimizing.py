"""Learning rates, step by step, beside the recipes' formulas; which parameters decay."""

import math

import pytest
import torch
from torch import nn

from nni_dna.retrain.optimizing import lr_factor, make_optimizer, make_schedule, peak_lr
from nni_dna.retrain.recipes import RECIPES, cifar, imagenet, imagenet_modern, quick, transfer
from nni_dna.retrain.rmsprop import RMSpropTF


def rates(recipe, steps_per_epoch, lr=1.0):
    """The learning rate that the optimizer has at every step."""
    network = nn.Linear(1, 1)
    optimizer = make_optimizer(recipe, network, lr)
    steps = recipe.epochs * steps_per_epoch
    schedule = make_schedule(recipe, optimizer, steps)
    found = []
    for _ in range(steps):
        found.append(optimizer.param_groups[0]['lr'])
        optimizer.step()
        schedule.step()
    return found


def test_the_papers_rate_rises_for_five_epochs_and_falls_every_third():
    per_epoch = rates(imagenet(), 10, 0.064)[::10]
    for epoch, rate in enumerate(per_epoch):
        expected = 0.064 * (10 * epoch + 1) / 50 if epoch < 5 else 0.064 * 0.963 ** (epoch // 3)
        assert rate == pytest.approx(expected, rel=1e-9), epoch
    assert per_epoch[5] == pytest.approx(0.064 * 0.963)
    assert per_epoch[6] == pytest.approx(0.064 * 0.963 ** 2)
    assert per_epoch[499] == pytest.approx(0.064 * 0.963 ** 166)


def test_the_warm_up_rises_with_every_step_up_to_the_peak():
    found = rates(imagenet(epochs=6), 4)
    assert found[:20] == pytest.approx([(step + 1) / 20 for step in range(20)])


@pytest.mark.parametrize('recipe', [imagenet_modern(epochs=12), cifar(epochs=20), transfer(epochs=4), cifar(warmup_epochs=0.0)])
def test_a_cosine_falls_from_the_peak_to_nothing_after_the_warm_up(recipe):
    found, warmup = rates(recipe, 5), int(recipe.warmup_epochs)
    for epoch in range(warmup, recipe.epochs):
        expected = (1 + math.cos(math.pi * (epoch - warmup) / (recipe.epochs - warmup))) / 2
        assert found[5 * epoch] == pytest.approx(expected), epoch
    after = found[5 * warmup:]
    assert after == sorted(after, reverse=True) and 0 < after[-1] < 0.1


def test_a_cosine_is_pytorchs():
    recipe = cifar(epochs=8, warmup_epochs=0.0)
    optimizer = torch.optim.SGD(nn.Linear(1, 1).parameters(), lr=1.0)
    reference = torch.optim.lr_scheduler.CosineAnnealingLR(optimizer, 24)
    for rate in rates(recipe, 3):
        assert rate == pytest.approx(optimizer.param_groups[0]['lr'], abs=1e-9)
        optimizer.step()
        reference.step()


@pytest.mark.parametrize('steps_per_epoch', [1, 3, 7, 11, 1251, 5005])
def test_steps_fall_at_the_first_step_of_an_epoch_for_every_number_of_steps(steps_per_epoch):
    recipe = imagenet(epochs=60)
    for epoch in range(6, 60):
        assert lr_factor(recipe, epoch * steps_per_epoch, steps_per_epoch) == pytest.approx(0.963 ** (epoch // 3))
        assert lr_factor(recipe, epoch * steps_per_epoch - 1, steps_per_epoch) == pytest.approx(0.963 ** ((epoch - 1) // 3))


@pytest.mark.parametrize('name, images, expected', [
    ('imagenet', 1024, 0.064), ('imagenet', 256, 0.016), ('imagenet_modern', 2048, 1.0), ('cifar', 128, 0.1), ('quick', 7, 5e-3)])
def test_the_peak_is_linear_in_the_images_of_a_step(name, images, expected):
    assert peak_lr(RECIPES[name](), images) == pytest.approx(expected)


def test_norms_and_biases_decay_only_where_the_recipe_says_so():
    network = nn.Sequential(nn.Conv2d(3, 4, 3), nn.BatchNorm2d(4))
    decayed, spared = make_optimizer(imagenet(), network, 0.1).param_groups
    assert [p is q for p, q in zip(decayed['params'], [network[0].weight])] == [True] and decayed['weight_decay'] == 1e-4
    assert len(spared['params']) == 3 and spared['weight_decay'] == 0
    together, = make_optimizer(quick(), network, 0.1).param_groups
    assert len(together['params']) == 4 and together['weight_decay'] == 1e-2


@pytest.mark.parametrize('name, kind', [('adamw', torch.optim.AdamW), ('sgd', torch.optim.SGD), ('rmsprop_tf', RMSpropTF)])
def test_the_optimizer_is_the_one_that_is_named(name, kind):
    assert type(make_optimizer(quick(optimizer=name), nn.Linear(1, 1), 0.1)) is kind


@pytest.mark.parametrize('name', ['sgd', 'rmsprop_tf'])
def test_the_momentum_is_the_recipes(name):
    group = make_optimizer(quick(optimizer=name, momentum=0.7), nn.Linear(1, 1), 0.1).param_groups[0]
    assert group['momentum'] == 0.7
