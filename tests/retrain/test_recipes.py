"""Recipes and what overrides them."""

import dataclasses

import pytest

from nni_dna.errors import SettingsError
from nni_dna.retrain import RECIPES, Recipe, quick, recipe_from
from nni_dna.settings.sections import RetrainSettings


@pytest.mark.parametrize('name', RECIPES)
def test_a_recipe_without_overrides_is_the_one_that_is_named(name):
    assert recipe_from(RetrainSettings(recipe=name)) == RECIPES[name]()


@pytest.mark.parametrize('overrides', [
    {'epochs': 3}, {'lr': 0.5}, {'weight_decay': 0.0}, {'label_smoothing': 0.0},
    {'epochs': 1, 'lr': 1e-4, 'weight_decay': 0.2, 'label_smoothing': 0.3}])
def test_settings_override_their_value_and_no_other(overrides):
    recipe = recipe_from(RetrainSettings(recipe='quick', **overrides))
    assert dataclasses.asdict(recipe) == {**dataclasses.asdict(quick()), **overrides}


def test_the_recipe_of_the_settings_default_exists():
    assert isinstance(recipe_from(RetrainSettings()), Recipe)


@pytest.mark.parametrize('name', ['quik', 'Quick', ''])
def test_an_unknown_recipe_names_those_that_there_are(name):
    with pytest.raises(SettingsError, match=f"retrain.recipe: expected one of .*quick.*, got '{name}'; .*quick"):
        recipe_from(RetrainSettings(recipe=name))


VALUES = {'epochs': 40, 'lr': 0.3, 'lr_batch': 64, 'optimizer': 'sgd', 'momentum': 0.8, 'schedule': 'steps', 'warmup_epochs': 2.0,
          'decay': 0.5, 'decay_epochs': 2.4, 'weight_decay': 0.1, 'decay_norms': False, 'label_smoothing': 0.2, 'clip': 1.0,
          'ema': 0.9, 'dropout': 0.3, 'drop_connect': 0.4, 'augment': 'crop', 'auto_augment': 'rand', 'color_jitter': 0.2,
          'random_erasing': 0.3, 'mixup': 0.1, 'cutmix': 0.6, 'precision': 'bf16-mixed', 'accumulate': 3, 'devices': 'auto'}


@pytest.mark.parametrize('name', RECIPES)
def test_every_value_overrides_that_of_every_recipe(name):
    assert dataclasses.asdict(recipe_from(RetrainSettings(recipe=name, **VALUES))) == VALUES


@pytest.mark.parametrize('recipe, overrides, message', [
    ('quick', {'momentum': 0.5}, 'retrain.momentum: has no effect, because retrain.optimizer is adamw; .* sgd or rmsprop_tf'),
    ('quick', {'warmup_epochs': 1.0}, 'retrain.warmup_epochs: has no effect, because retrain.schedule is one_cycle'),
    ('cifar', {'decay': 0.5}, 'retrain.decay: has no effect, because retrain.schedule is cosine; .* to steps'),
    ('imagenet', {'decay_epochs': 2.0, 'schedule': 'cosine'}, 'retrain.decay_epochs: has no effect'),
    ('imagenet', {'epochs': 5}, r'retrain.warmup_epochs: expected fewer than the 5 epochs, got 5 \(recipe imagenet\); lower'),
    ('cifar', {'warmup_epochs': 200.0}, 'retrain.warmup_epochs: expected fewer than the 200 epochs, got 200; lower')])
def test_an_override_that_cannot_be_is_refused(recipe, overrides, message):
    with pytest.raises(SettingsError, match=message):
        recipe_from(RetrainSettings(recipe=recipe, **overrides))


def test_the_papers_recipe_is_the_papers():
    recipe = RECIPES['imagenet']()
    assert (recipe.epochs, recipe.optimizer, recipe.lr, recipe.lr_batch) == (500, 'rmsprop_tf', 0.064, 1024)
    assert (recipe.schedule, recipe.warmup_epochs, recipe.decay, recipe.decay_epochs) == ('steps', 5, 0.963, 3)
    assert (recipe.dropout, recipe.drop_connect, recipe.color_jitter) == (0.2, 0.2, 0.06) and recipe.ema > 0


def test_every_value_of_a_recipe_can_be_set():
    assert {field.name for field in dataclasses.fields(Recipe)} <= {
        field.name for field in dataclasses.fields(RetrainSettings)}
