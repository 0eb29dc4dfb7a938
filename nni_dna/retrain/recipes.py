"""Training recipes as functions that return a full setting."""

from __future__ import annotations

import dataclasses
from dataclasses import dataclass
from typing import Any, Callable

from ..errors import SettingsError, nearest
from ..settings.sections import RetrainSettings

__all__ = ['Recipe', 'RECIPES', 'quick', 'imagenet', 'imagenet_modern', 'cifar', 'transfer', 'recipe_from']


@dataclass(frozen=True, kw_only=True)
class Recipe:
    """How a classifier is trained; the fields are those of `RetrainSettings`, which describes them.

    Attributes
    ----------
    epochs
        Number of passes over the training images.
    lr
        Peak learning rate.
    lr_batch
        Images per step that it is for; None takes the rate as it is.
    dropout
        None leaves the network's Dropout modules as they are.
    augment
        None is as the data section says.
    """

    epochs: int
    lr: float
    lr_batch: int | None = None
    optimizer: str = 'adamw'
    momentum: float = 0.9
    schedule: str = 'one_cycle'
    warmup_epochs: float = 0.0
    decay: float = 1.0
    decay_epochs: float = 1.0
    weight_decay: float
    decay_norms: bool = True
    label_smoothing: float
    clip: float = 0.0
    ema: float = 0.0
    dropout: float | None = None
    drop_connect: float = 0.0
    augment: str | None = None
    auto_augment: str = 'none'
    color_jitter: float = 0.0
    random_erasing: float = 0.0
    mixup: float = 0.0
    cutmix: float = 0.0
    precision: str = '32'
    accumulate: int = 1
    devices: int | str = 1


def quick(**overrides: Any) -> Recipe:
    """For small images and small networks: minutes on a CPU."""
    return dataclasses.replace(Recipe(epochs=30, lr=5e-3, weight_decay=1e-2, label_smoothing=0.1), **overrides)


def imagenet(**overrides: Any) -> Recipe:
    """The paper's: its section 4.1 and, for what that leaves open, the authors' code.

    Images of 224 pixels (``data.image_size``). The rate is for 1,024 images a step, as 8 GPUs take with 128 each.
    """
    return dataclasses.replace(Recipe(
        epochs=500, lr=0.064, lr_batch=1024, optimizer='rmsprop_tf', momentum=0.9, schedule='steps', warmup_epochs=5.0,
        decay=0.963, decay_epochs=3.0, weight_decay=1e-4, decay_norms=False, label_smoothing=0.1, ema=0.9998, dropout=0.2,
        drop_connect=0.2, augment='imagenet', color_jitter=0.06), **overrides)


def imagenet_modern(**overrides: Any) -> Recipe:
    """torchvision's newer reference recipe: SGD on a cosine, TrivialAugment, MixUp and CutMix, a moving average.

    Dropout and drop-connect are the paper's. torchvision averages every 32 steps; ``ema`` is that average's decay per step.
    """
    return dataclasses.replace(Recipe(
        epochs=600, lr=0.5, lr_batch=1024, optimizer='sgd', momentum=0.9, schedule='cosine', warmup_epochs=5.0,
        weight_decay=2e-5, decay_norms=False, label_smoothing=0.1, ema=0.99997, dropout=0.2, drop_connect=0.2,
        augment='imagenet', auto_augment='trivial', random_erasing=0.1, mixup=0.2, cutmix=1.0), **overrides)


def cifar(**overrides: Any) -> Recipe:
    """For CIFAR's 32 pixels from scratch: SGD on a cosine."""
    return dataclasses.replace(Recipe(
        epochs=200, lr=0.1, lr_batch=128, optimizer='sgd', momentum=0.9, schedule='cosine', warmup_epochs=5.0,
        weight_decay=5e-4, label_smoothing=0.1, augment='crop_flip'), **overrides)


def transfer(**overrides: Any) -> Recipe:
    """To fine-tune a trained network on another data set: the same with a lower rate, from trained weights on."""
    return dataclasses.replace(Recipe(
        epochs=50, lr=0.02, lr_batch=256, optimizer='sgd', momentum=0.9, schedule='cosine', warmup_epochs=1.0,
        weight_decay=1e-4, decay_norms=False, label_smoothing=0.1, augment='imagenet'), **overrides)


RECIPES: dict[str, Callable[..., Recipe]] = {
    'quick': quick, 'imagenet': imagenet, 'imagenet_modern': imagenet_modern, 'cifar': cifar, 'transfer': transfer}

# What counts only beside a certain value of another field.
_NEEDS = {'momentum': ('optimizer', ('sgd', 'rmsprop_tf')), 'warmup_epochs': ('schedule', ('cosine', 'steps')),
          'decay': ('schedule', ('steps',)), 'decay_epochs': ('schedule', ('steps',))}


def recipe_from(settings: RetrainSettings) -> Recipe:
    """The recipe that the ``retrain`` section names, with the values that it overrides.

    Raises
    ------
    SettingsError
        If there is no such recipe, or an override cannot be or would have no effect.
    """
    if settings.recipe not in RECIPES:
        raise SettingsError(f'retrain.recipe: expected one of {", ".join(RECIPES)}, got {settings.recipe!r}; '
                            f'{nearest(settings.recipe, RECIPES)}')
    given = {field.name: getattr(settings, field.name) for field in dataclasses.fields(settings)
             if field.name not in ('recipe', 'over_training')}
    given = {name: value for name, value in given.items() if value is not None}
    recipe = RECIPES[settings.recipe](**given)
    for name, (other, values) in _NEEDS.items():
        if name in given and getattr(recipe, other) not in values:
            raise SettingsError(f'retrain.{name}: has no effect, because retrain.{other} is {getattr(recipe, other)}; leave it '
                                f'out, or set retrain.{other} to {" or ".join(values)}')
    if recipe.schedule != 'one_cycle' and recipe.warmup_epochs >= recipe.epochs:
        raise SettingsError(f'retrain.warmup_epochs: expected fewer than the {recipe.epochs} epochs, got '
                            f'{recipe.warmup_epochs:g}{"" if "warmup_epochs" in given else f" (recipe {settings.recipe})"}; '
                            'lower retrain.warmup_epochs, or raise retrain.epochs')
    return recipe
