"""Training recipes as functions that return a full setting."""

from __future__ import annotations

import dataclasses
from dataclasses import dataclass
from typing import Any, Callable

from ..errors import SettingsError, nearest
from ..settings.sections import RetrainSettings

__all__ = ['Recipe', 'RECIPES', 'quick', 'recipe_from']


@dataclass(frozen=True, kw_only=True)
class Recipe:
    """How a classifier is trained: AdamW, one cycle of the learning rate.

    Attributes
    ----------
    epochs
        Number of passes over the training images.
    lr
        Peak learning rate.
    weight_decay
        Of AdamW.
    label_smoothing
        Of the cross entropy.
    """

    epochs: int
    lr: float
    weight_decay: float
    label_smoothing: float


def quick(**overrides: Any) -> Recipe:
    """For small images and small networks: minutes on a CPU."""
    return dataclasses.replace(Recipe(epochs=30, lr=5e-3, weight_decay=1e-2, label_smoothing=0.1), **overrides)


RECIPES: dict[str, Callable[..., Recipe]] = {'quick': quick}


def recipe_from(settings: RetrainSettings) -> Recipe:
    """The recipe that the ``retrain`` section names, with the values that it overrides.

    Raises
    ------
    SettingsError
        If there is no such recipe.
    """
    if settings.recipe not in RECIPES:
        raise SettingsError(f'retrain.recipe: expected one of {", ".join(RECIPES)}, got {settings.recipe!r}; '
                            f'{nearest(settings.recipe, RECIPES)}')
    given = {field.name: getattr(settings, field.name) for field in dataclasses.fields(settings)
             if field.name not in ('recipe', 'over_training')}
    return RECIPES[settings.recipe](**{name: value for name, value in given.items() if value is not None})
