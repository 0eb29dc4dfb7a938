"""Which images are held out of the distillation, to rate paths on."""

from __future__ import annotations

from pathlib import Path
from typing import Sequence

import numpy as np
from torch.utils.data import Dataset, Subset

from ..errors import DataError
from ..settings.sections import DataSettings
from .sources import ImageTask

__all__ = ['hold_out', 'split_any', 'split_holdout']


def hold_out(task: ImageTask, settings: DataSettings, seed: int) -> tuple[Dataset, Dataset]:
    """The images to distil from, and those to rate on: images of a folder, or else some of the training images.

    Parameters
    ----------
    task
        The images.
    settings
        The ``data`` section.
    seed
        Of the choice among training images.

    Raises
    ------
    DataError
        If no image would be left to train on, or the folder does not hold images of the task's classes.
    """
    if settings.holdout_folder is not None:
        return task.train, _images_of(settings.holdout_folder, task)
    if settings.holdout_images is not None:
        kept, held = split_any(len(task.labels), settings.holdout_images, seed)
    else:
        assert settings.holdout_per_class is not None
        kept, held = split_holdout(task.labels, settings.holdout_per_class, seed)
    return Subset(task.train, kept), Subset(task.train, held)


def split_holdout(labels: Sequence[int], per_class: int, seed: int) -> tuple[list[int], list[int]]:
    """Keep a random number of images of each class out of training, to rate paths on.

    Parameters
    ----------
    labels
        Label of each image.
    per_class
        How many of each class to hold out.
    seed
        Of the choice.

    Returns
    -------
    tuple of list of int
        Indices to train on and indices held out, ascending; disjoint, together all.

    Raises
    ------
    DataError
        If a class would have no image left to train on.
    """
    rng = np.random.default_rng(seed)
    array = np.asarray(labels)
    held: list[int] = []
    for label in np.unique(array):
        members = np.flatnonzero(array == label)
        if len(members) <= per_class:
            raise DataError(f'data.holdout_per_class: expected fewer than the {len(members)} images of class {label}, got '
                            f'{per_class}; lower data.holdout_per_class')
        held.extend(rng.choice(members, per_class, replace=False).tolist())
    return _parted(len(array), held)


def split_any(images: int, number: int, seed: int) -> tuple[list[int], list[int]]:
    """Keep a number of random images out of training, whatever their classes.

    Parameters
    ----------
    images
        How many there are.
    number
        How many to hold out.
    seed
        Of the choice.

    Returns
    -------
    tuple of list of int
        As of `split_holdout`.

    Raises
    ------
    DataError
        If no image would be left to train on.
    """
    if images <= number:
        raise DataError(f'data.holdout_images: expected fewer than the {images} training images, got {number}; lower '
                        'data.holdout_images')
    return _parted(images, np.random.default_rng(seed).choice(images, number, replace=False).tolist())


def _parted(images: int, held: Sequence[int]) -> tuple[list[int], list[int]]:
    held_set = set(held)
    return [index for index in range(images) if index not in held_set], sorted(held)


def _images_of(folder: Path, task: ImageTask) -> Dataset:
    """The images of a folder that holds a folder per class: the task's classes by name, or by order where they have no names."""
    from torchvision.datasets import ImageFolder
    option = 'data.holdout_folder'
    if not folder.is_dir():
        raise DataError(f'{option}: expected an existing folder, got {folder}; mend {option}')
    try:
        found = ImageFolder(str(folder))
    except Exception as error:  # no class folder, or one without images
        raise DataError(f'{option}: expected {folder} to hold a folder of images per class, got {type(error).__name__}: '
                        f'{error}; mend {option} or the folder') from error
    known = getattr(task.train, 'class_to_idx', None)
    if known is None:
        if len(found.classes) != task.num_classes:
            raise DataError(f'{option}: expected {folder} to hold a folder for each of the {task.num_classes} classes, in their '
                            f'order, got {len(found.classes)}')
        return found
    unknown = [name for name in found.classes if name not in known]
    if unknown:
        raise DataError(f'{option}: expected the class folders of {folder} to be named as the classes of the training images '
                        f'({", ".join(list(known)[:5])}, ...), got {", ".join(unknown[:5])}')
    found.target_transform = lambda label: known[found.classes[label]]
    return found
