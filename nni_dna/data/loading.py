"""Transforms and loaders of an image task."""

from __future__ import annotations

import math
from contextlib import contextmanager
from typing import Any, Callable, Iterator, Sequence

import torch
from pytorch_lightning.utilities.seed import isolate_rng
from torch.utils.data import DataLoader, Dataset
from torchvision.transforms import v2

from ..errors import DataError
from ..settings.sections import DataSettings
from .holdout import hold_out
from .resuming import ResumableLoader
from .sources import ImageTask, load_task

__all__ = ['ImageData']


class _Transformed(Dataset):
    """A dataset with a transform of the image."""

    def __init__(self, dataset: Dataset, transform: Callable[[Any], torch.Tensor]):
        self.dataset = dataset
        self.transform = transform

    def __len__(self) -> int:
        return len(self.dataset)  # type: ignore[arg-type]

    def __getitem__(self, index: int) -> tuple[torch.Tensor, int]:
        try:
            image, label = self.dataset[index]
            return self.transform(image), int(label)
        except Exception as error:  # a broken file, or the user's own code
            raise DataError(f'data.name: {_name(self.dataset, index)} cannot be read: {type(error).__name__}: {error}; mend it, '
                            'or take it out of the data set') from error


def _name(dataset: Any, index: int) -> str:
    """An image of a data set, or of a part of one: its file, where that is known."""
    while hasattr(dataset, 'dataset') and hasattr(dataset, 'indices'):
        dataset, index = dataset.dataset, dataset.indices[index]
    samples = getattr(dataset, 'samples', None)  # as torchvision's folders name them
    return str(samples[index][0]) if isinstance(samples, list) else f'image {index}'


class ImageData:
    """The loaders of a task: distillation, rating, retraining and test.

    Parameters
    ----------
    settings
        The ``data`` section.
    seed
        Of the held-out images and of the order of the batches.

    Attributes
    ----------
    task
        The loaded task.
    image_shape
        (channels, height, width) of a batch's images.
    """

    def __init__(self, settings: DataSettings, seed: int):
        self.settings = settings
        self.seed = seed
        self.task: ImageTask = load_task(settings.name, settings.root, settings.args)
        self._kept, self._held = hold_out(self.task, settings, seed)
        try:
            shape = tuple(self._plain(self.task.train)[0][0].shape)
        except Exception as error:  # a broken file, images that are neither PIL images nor tensors
            raise DataError(f'data.name: reading the first image of {settings.name!r} failed: {type(error).__name__}: '
                            f'{error}; expected PIL images or uint8 tensors, with the channels of data.mean') from error
        if len(shape) != 3:
            raise DataError(f'data.name: expected images of shape (channels, height, width), got {shape}')
        self.image_shape: tuple[int, int, int] = shape

    def distillation(self) -> DataLoader:
        """Training images less the held-out ones, augmented, some with a part erased, and shuffled."""
        return self._loader(self._augmented(self._kept, on_normalised=self._erasing()), shuffle=True)

    def calibration(self) -> DataLoader:
        """Training images less the held-out ones, as they are: for the statistics of BatchNorm."""
        return self._loader(self._plain(self._kept), shuffle=True)

    def holdout(self) -> DataLoader:
        """The held-out images, as they are: for rating."""
        return self._loader(self._plain(self._held), shuffle=False)

    @contextmanager
    def undisturbed(self) -> Iterator[ImageData]:
        """Read images while a training goes on: loaders are new each time, and the random streams are put back."""
        with isolate_rng():
            yield self

    def retraining(self, augment: str | None = None, on_images: Sequence[Callable] = (),
                   on_normalised: Sequence[Callable] = (), processes: int = 1) -> ResumableLoader:
        """All training images, augmented and shuffled.

        Parameters
        ----------
        augment
            In place of the settings'.
        on_images
            Further transforms of the cropped uint8 images.
        on_normalised
            Further transforms of the normalised images.
        processes
            How many share the images of an epoch.
        """
        dataset = self._augmented(self.task.train, augment, on_images, on_normalised)
        # Workers that are started anew each epoch draw the same random numbers after an interruption.
        return self._loader(dataset, shuffle=True, persistent=False, processes=processes)

    def test(self) -> DataLoader:
        """The test images, as they are; used for nothing but the final accuracy."""
        return self._loader(self._plain(self.task.test), shuffle=False)

    def _loader(self, dataset: Dataset, *, shuffle: bool, persistent: bool = True, processes: int = 1) -> ResumableLoader:
        size = math.ceil(len(dataset) / processes)  # type: ignore[arg-type]
        lonely = size > 1 and size % self.settings.batch_size == 1  # BatchNorm cannot train on a last batch of one image
        return ResumableLoader(dataset, batch_size=self.settings.batch_size, shuffle=shuffle, drop_last=shuffle and lonely,
                               generator=torch.Generator().manual_seed(self.seed), num_workers=self.settings.workers,
                               persistent_workers=persistent and self.settings.workers > 0,
                               pin_memory=torch.cuda.is_available())

    def _plain(self, dataset: Dataset) -> _Transformed:
        return _Transformed(dataset, v2.Compose([v2.ToImage(), *self._centre(), *self._to_normal()]))

    def _augmented(self, dataset: Dataset, augment: str | None = None, on_images: Sequence[Callable] = (),
                   on_normalised: Sequence[Callable] = ()) -> _Transformed:
        size = self.settings.image_size
        kinds: dict[str, list[Callable]] = {
            'none': self._centre(),
            'crop': [v2.Resize(size, antialias=True), v2.RandomCrop(size, padding=size // 8)],
            'crop_flip': [v2.Resize(size, antialias=True), v2.RandomCrop(size, padding=size // 8),
                          v2.RandomHorizontalFlip()],
            'imagenet': [v2.RandomResizedCrop(size, antialias=True), v2.RandomHorizontalFlip()],
        }
        colours = self._jitter() if augment is None else []
        return _Transformed(dataset, v2.Compose([
            v2.ToImage(), *kinds[augment or self.settings.augment], *colours, *on_images, *self._to_normal(), *on_normalised]))

    def _jitter(self) -> list[Callable]:
        strength = self.settings.color_jitter
        if strength is None:
            strength = 0.4 if self.settings.augment == 'imagenet' else 0
        return [v2.ColorJitter(strength, strength, strength)] if strength else []

    def _erasing(self) -> list[Callable]:
        probability = self.settings.random_erasing
        # The authors' rectangles: filled with noise of mean 0 and deviation 1, so after the images are normalised.
        return [v2.RandomErasing(probability, scale=(0.02, 1 / 3), ratio=(0.3, 1 / 0.3), value='random')] if probability else []

    def _centre(self) -> list[Callable]:
        size = self.settings.image_size
        return [v2.Resize(round(size / self.settings.center_crop), antialias=True), v2.CenterCrop(size)]

    def _to_normal(self) -> list[Callable]:
        return [v2.ToDtype(torch.float32, scale=True), v2.Normalize(self.settings.mean, self.settings.std)]
