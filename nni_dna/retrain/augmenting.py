"""The augmentations of a recipe, by torchvision."""

from __future__ import annotations

from typing import Callable

from torchvision.transforms import v2

from ..data import ImageData, ResumableLoader
from .ranks import process_count
from .recipes import Recipe

__all__ = ['training_batches', 'on_images', 'on_normalised', 'on_batches']


def training_batches(data: ImageData, recipe: Recipe) -> ResumableLoader:
    """All training images, augmented as the recipe says."""
    return data.retraining(recipe.augment, on_images(recipe), on_normalised(recipe), process_count(recipe.devices))


def on_images(recipe: Recipe) -> list[Callable]:
    """What is done to uint8 images once they are cropped."""
    kinds: dict[str, list[Callable]] = {'none': [], 'rand': [v2.RandAugment()], 'trivial': [v2.TrivialAugmentWide()]}
    jitter = recipe.color_jitter
    return kinds[recipe.auto_augment] + ([v2.ColorJitter(jitter, jitter, jitter)] if jitter else [])


def on_normalised(recipe: Recipe) -> list[Callable]:
    """What is done to normalised images."""
    return [v2.RandomErasing(recipe.random_erasing)] if recipe.random_erasing else []


def on_batches(recipe: Recipe, num_classes: int) -> Callable | None:
    """What mixes the images of a batch: takes images and labels, gives images and shares of classes."""
    kinds: list[Callable] = []
    if recipe.mixup:
        kinds.append(v2.MixUp(alpha=recipe.mixup, num_classes=num_classes))
    if recipe.cutmix:
        kinds.append(v2.CutMix(alpha=recipe.cutmix, num_classes=num_classes))
    return v2.RandomChoice(kinds) if kinds else None
