"""Where images come from: the digits bundled with scikit-learn, CIFAR, an ImageFolder, or the user's own function."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any, Callable, Mapping, Sequence

import numpy as np
import torch
from torch.utils.data import Dataset

from ..errors import DataError, NniDnaError, nearest
from ..imports import import_object, is_import_path

__all__ = ['ImageTask', 'load_task', 'SOURCES']

_DIGITS_TEST_SHARE = 1 / 3


@dataclass(frozen=True, kw_only=True, eq=False)
class ImageTask:
    """An image classification task.

    Attributes
    ----------
    train, test
        Map-style datasets of (image, label): a PIL image or a uint8 tensor (channels, height, width), and an int.
    labels
        The labels of ``train``, in order.
    num_classes
        Number of classes; labels run from 0 to ``num_classes - 1``.
    """

    train: Dataset
    test: Dataset
    labels: Sequence[int]
    num_classes: int


class TensorImages(Dataset):
    """Images and labels held in memory.

    Parameters
    ----------
    images
        uint8 tensor (images, channels, height, width).
    labels
        One int per image.
    """

    def __init__(self, images: torch.Tensor, labels: Sequence[int]):
        self.images = images
        self.targets = [int(label) for label in labels]

    def __len__(self) -> int:
        return len(self.targets)

    def __getitem__(self, index: int) -> tuple[torch.Tensor, int]:
        return self.images[index], self.targets[index]


def _digits(root: Path | None, args: Mapping[str, Any]) -> tuple[Dataset, Dataset]:
    """scikit-learn's 1,797 digits of 8x8 pixels, grey made RGB; a fixed stratified third is the test set."""
    from sklearn.datasets import load_digits
    from sklearn.model_selection import train_test_split
    bunch = load_digits()
    grey = torch.from_numpy((bunch.images * (255 / 16)).round().astype(np.uint8))
    images = grey[:, None].expand(-1, 3, -1, -1).contiguous()
    train, test = train_test_split(np.arange(len(images)), test_size=_DIGITS_TEST_SHARE, random_state=0,
                                   stratify=bunch.target)
    return (TensorImages(images[train], bunch.target[train]), TensorImages(images[test], bunch.target[test]))


def _cifar(name: str) -> Callable[[Path | None, Mapping[str, Any]], tuple[Dataset, Dataset]]:
    def load(root: Path | None, args: Mapping[str, Any]) -> tuple[Dataset, Dataset]:
        from torchvision import datasets
        source = getattr(datasets, name)
        folder = _existing(root)
        return source(folder, train=True, **args), source(folder, train=False, **args)
    return load


def _imagefolder(root: Path | None, args: Mapping[str, Any]) -> tuple[Dataset, Dataset]:
    from torchvision.datasets import ImageFolder
    folder = _existing(root)
    test = next((folder / name for name in ('test', 'val') if (folder / name).is_dir()), None)
    if not (folder / 'train').is_dir() or test is None:
        raise DataError(f"data.root: expected {folder} to hold the folders 'train' and 'test' (or 'val'), each with a "
                        'folder per class; mend data.root or the folders')
    train_set, test_set = ImageFolder(str(folder / 'train'), **args), ImageFolder(str(test), **args)
    if train_set.classes != test_set.classes:
        raise DataError(f"data.root: expected the same class folders in 'train' and '{test.name}' of {folder}, got "
                        f'{len(train_set.classes)} and {len(test_set.classes)} classes that differ; mend the folders')
    return train_set, test_set


def _existing(root: Path | None) -> Path:
    if root is None:
        raise DataError('data.root: expected the folder of the dataset, got nothing; set data.root')
    if not root.is_dir():
        raise DataError(f'data.root: expected an existing folder, got {root}; mend data.root')
    return root


SOURCES: dict[str, Callable[[Path | None, Mapping[str, Any]], tuple[Dataset, Dataset]]] = {
    'digits': _digits, 'cifar10': _cifar('CIFAR10'), 'cifar100': _cifar('CIFAR100'), 'imagefolder': _imagefolder}


def load_task(name: str, root: Path | None, args: Mapping[str, Any]) -> ImageTask:
    """Load a task.

    Parameters
    ----------
    name
        One of ``SOURCES``, or the import path of a function ``f(root, **args)`` that returns a train and a test dataset.
    root
        Folder of the data; what it must hold depends on the source.
    args
        Further arguments of the source.

    Raises
    ------
    DataError
        If there is no such dataset or it cannot be read.
    """
    if name in SOURCES:
        source = SOURCES[name]
    elif is_import_path(name):
        function = import_object(name, 'data.name')

        def source(root: Path | None, args: Mapping[str, Any]) -> tuple[Dataset, Dataset]:
            return function(root, **args)
    else:
        raise DataError(f'data.name: expected one of {", ".join(SOURCES)} or an import path, got {name!r}; '
                        f'{nearest(name, SOURCES)}')
    try:
        train, test = source(root, args)
        labels = _labels(train)
    except NniDnaError:
        raise
    except Exception as error:  # a broken archive, a wrong argument, the user's own code
        raise DataError(f'data.name: loading {name!r} from {root} failed: {type(error).__name__}: {error}; mend data.root, '
                        'data.args or the data') from error
    if not labels or not len(test):  # type: ignore[arg-type]
        raise DataError(f'data.name: expected {name!r} to give at least one training and one test image, got '
                        f'{len(labels)} and {len(test)}; mend data.root or the data')  # type: ignore[arg-type]
    return ImageTask(train=train, test=test, labels=labels, num_classes=max(labels) + 1)


def _labels(dataset: Any) -> list[int]:
    """The labels: ``targets`` as torchvision names them, else one pass over the dataset."""
    targets = getattr(dataset, 'targets', None)
    if targets is None:
        targets = [dataset[index][1] for index in range(len(dataset))]
    return [int(label) for label in targets]
