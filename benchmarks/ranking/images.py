"""CIFAR-10 in memory, augmented a batch at a time: with networks this small, transforms of single images take most of the time.

It gives the loaders that `nni_dna.campaign.setup.Images` asks for, and those of training alone.
"""

from __future__ import annotations

from contextlib import contextmanager
from pathlib import Path
from types import SimpleNamespace
from typing import Any, Iterator, Sequence

import numpy as np
import torch
from pytorch_lightning.utilities.seed import isolate_rng
from torch.utils.data import BatchSampler, DataLoader, Dataset, RandomSampler, SequentialSampler

from nni_dna.data.holdout import split_holdout

__all__ = ['CifarImages']

MEAN, STD = (0.491, 0.482, 0.447), (0.247, 0.243, 0.262)
PADDING = 4


class _Batches(Dataset):
    """Whole batches by the numbers of their images: normalised, and cropped and flipped at random where asked for."""

    def __init__(self, images: torch.Tensor, labels: torch.Tensor, augment: bool):
        self._images = images
        self._labels = labels
        self._augment = augment
        self._mean, self._std = (torch.tensor(values).view(1, 3, 1, 1) * 255 for values in (MEAN, STD))

    def __len__(self) -> int:
        return len(self._labels)

    def __getitem__(self, numbers: Sequence[int]) -> tuple[torch.Tensor, torch.Tensor]:
        images = self._images[numbers]
        if self._augment:
            images = _cropped(images)
            images = torch.where(torch.rand(len(images), 1, 1, 1) < 0.5, images.flip(3), images)
        images = (images - self._mean) / self._std
        return images.to(memory_format=torch.channels_last), self._labels[numbers]  # a CPU convolves these faster


def _cropped(images: torch.Tensor) -> torch.Tensor:
    """Each image out of a random place of its padded self."""
    height, width = images.shape[2:]
    padded = torch.nn.functional.pad(images, [PADDING] * 4)
    corners = torch.randint(2 * PADDING + 1, (len(images), 2)).tolist()
    return torch.stack([image[:, top:top + height, left:left + width] for image, (top, left) in zip(padded, corners)])


class CifarImages:
    """The loaders of CIFAR-10.

    Parameters
    ----------
    root
        Holds ``train`` and ``test``, each with a folder of images per class.
    cache
        Folder that keeps what was read, as ``images.npz``.
    training
        So many training images are distilled from, or trained on; chosen evenly over the classes, the same for all seeds.
    batch_size
        Images per step.
    holdout_per_class
        Images of each class that nothing is trained on: to rate, and to measure one-shot accuracies with.
    seed
        Of the order of the images. The held-out images are always the same, as `split_holdout` draws them with seed 0.

    Attributes
    ----------
    count
        Number of images to distil from, or to train on.
    """

    def __init__(self, root: Path, cache: Path, training: int, batch_size: int = 64, holdout_per_class: int = 50, seed: int = 0):
        parts = _read(root, cache / 'images.npz')
        self._train, self._labels = parts['train'], parts['train_labels']
        self._test, self._test_labels = parts['test'], parts['test_labels']
        kept, self._held = split_holdout(self._labels.tolist(), holdout_per_class, seed=0)
        self._all = kept
        self._kept = _evenly(kept, self._labels, training)
        self.count = training
        self.batch_size = batch_size
        self.seed = seed
        self.task = SimpleNamespace(num_classes=int(self._labels.max()) + 1)
        self.image_shape = (3, *self._train.shape[2:])

    def distillation(self) -> DataLoader:
        """Training images, augmented and shuffled."""
        return self._loader(self._train, self._labels, self._kept, shuffle=True, augment=True)

    def everything(self) -> DataLoader:
        """All images that are not held out, augmented and shuffled: for the teacher."""
        return self._loader(self._train, self._labels, self._all, shuffle=True, augment=True)

    def calibration(self) -> DataLoader:
        """Training images as they are, shuffled."""
        return self._loader(self._train, self._labels, self._kept, shuffle=True)

    def holdout(self) -> DataLoader:
        """The held-out images as they are."""
        return self._loader(self._train, self._labels, self._held)

    def test(self) -> DataLoader:
        """The test images as they are."""
        return self._loader(self._test, self._test_labels, range(len(self._test)), batch_size=500)

    @contextmanager
    def undisturbed(self) -> Iterator[CifarImages]:
        """The same images while a training goes on."""
        with isolate_rng():
            yield self

    def _loader(self, images: torch.Tensor, labels: torch.Tensor, numbers: Sequence[int], *, shuffle: bool = False,
                augment: bool = False, batch_size: int | None = None) -> DataLoader:
        chosen = torch.as_tensor(list(numbers))
        batches = _Batches(images[chosen], labels[chosen], augment)
        order: Any = RandomSampler(batches, generator=torch.Generator().manual_seed(self.seed)) if shuffle \
            else SequentialSampler(batches)
        return DataLoader(batches, batch_size=None, sampler=BatchSampler(order, batch_size or self.batch_size, drop_last=shuffle))


def _evenly(numbers: Sequence[int], labels: torch.Tensor, count: int) -> list[int]:
    """So many of the images, the same number of each class, by a fixed shuffle."""
    order = np.random.default_rng(0).permutation(np.asarray(numbers))
    by_class = [order[labels[order].numpy() == label] for label in labels.unique()]
    found = np.concatenate([members[:count // len(by_class)] for members in by_class])
    if len(found) != count:
        raise ValueError(f'images: expected a multiple of {len(by_class)}, at most {len(numbers)}, got {count}')
    return found.tolist()


def _read(root: Path, cache: Path) -> dict[str, torch.Tensor]:
    if not cache.is_file():
        from torchvision.datasets import ImageFolder
        found = {}
        for part in ('train', 'test'):
            folder = ImageFolder(str(root / part))
            found[part] = np.stack([np.asarray(image) for image, _ in folder]).transpose(0, 3, 1, 2)
            found[f'{part}_labels'] = np.array(folder.targets)
        cache.parent.mkdir(parents=True, exist_ok=True)
        np.savez(cache, **found)
    with np.load(cache) as file:
        return {name: torch.from_numpy(np.ascontiguousarray(file[name])) for name in file.files}
