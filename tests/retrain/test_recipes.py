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


def test_every_value_of_a_recipe_can_be_set():
    assert {field.name for field in dataclasses.fields(Recipe)} <= {
        field.name for field in dataclasses.fields(RetrainSettings)}
