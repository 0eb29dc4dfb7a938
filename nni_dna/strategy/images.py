"""The images of an experiment whose data come in loaders: those of the evaluator, or those given to the strategy."""

from __future__ import annotations

import copy
from contextlib import contextmanager
from functools import cached_property
from typing import Any, Iterable, Iterator, Mapping

from nni.nas.evaluator.pytorch import Lightning
from pytorch_lightning.utilities.model_helpers import is_overridden

from ..data import images_of
from ..errors import DataError
from .loaders import in_this_process, streams_put_back
from .parts import Parts

__all__ = ['LoaderImages']


class LoaderImages:
    """Training batches to distil from, validation batches to rate on.

    NNI's other strategies choose architectures by the validation batches too.

    Parameters
    ----------
    parts
        What the user gave.

    Raises
    ------
    DataError
        If loaders are missing, or give no images.
    """

    def __init__(self, parts: Parts):
        self._train = _loader(parts, 'train_dataloaders', 'to distil from')
        self._val = _loader(parts, 'val_dataloaders', 'to rate the paths on')

    @cached_property
    def image_shape(self) -> tuple[int, int, int]:
        """(channels, height, width) of the training images, which those for the rating have too."""
        shapes = []
        for loader, name in ((self._train, 'train_dataloaders'), (self._val, 'val_dataloaders')):
            try:
                batch = next(iter(loader))
            except StopIteration:
                raise DataError(f'{name}: expected at least one batch, got none; check batch_size and drop_last') from None
            except Exception as error:  # whatever the user's dataset raises
                raise DataError(f'{name}: reading the first batch failed: {type(error).__name__}: {error}') from error
            images = images_of(batch)
            if not images.is_floating_point():
                raise DataError(f'{name}: expected images of floating-point numbers, got {images.dtype}; convert them in the '
                                'dataset, as torchvision.transforms.ToTensor does')
            channels, height, width = images.shape[1:]
            shapes.append((channels, height, width))
        if shapes[0] != shapes[1]:
            raise DataError(f'val_dataloaders: expected images of shape {shapes[0]}, as those of train_dataloaders, got '
                            f'{shapes[1]}')
        return shapes[0]

    def distillation(self) -> Any:
        """The training batches."""
        return self._train

    def calibration(self) -> Any:
        """The training batches, augmented as they are."""
        return self._train

    def holdout(self) -> Any:
        """The validation batches."""
        return self._val

    @contextmanager
    def undisturbed(self) -> Iterator[LoaderImages]:
        """Read images while a training goes on; not for loaders whose data sets keep a state of their own."""
        other = copy.copy(self)
        train = [in_this_process(loader) for loader in _each(self._train)]
        other._train = _InTurn(train) if len(train) > 1 else train[0]
        with streams_put_back(*_each(self._train), *_each(self._val)):
            yield other


class _InTurn:
    """The batches of several loaders, one loader after another."""

    def __init__(self, loaders: Iterable[Any]):
        self._loaders = list(loaders)

    def __iter__(self) -> Iterator[Any]:
        for loader in self._loaders:
            yield from loader

    def __len__(self) -> int:
        return sum(len(loader) for loader in self._loaders)


def _each(loader: Any) -> list[Any]:
    return loader._loaders if isinstance(loader, _InTurn) else [loader]


def _loader(parts: Parts, name: str, purpose: str) -> Any:
    """The loader that was given to the strategy, or else that of the evaluator."""
    found = getattr(parts, name)
    if found is None and isinstance(parts.evaluator, Lightning):
        found = _of_evaluator(parts.evaluator, name)
    if found is None:
        raise DataError(f'{name}: expected a loader of images {purpose}, and {type(parts.evaluator).__name__} has none; '
                        f'give it to the evaluator, or to the strategy: DNA({name}=...)')
    if isinstance(found, Mapping):
        found = list(found.values())
    return _InTurn(found) if isinstance(found, (list, tuple)) else found


def _of_evaluator(evaluator: Any, name: str) -> Any:
    """What Lightning would take for a training; None where there is nothing."""
    if evaluator.datamodule is None and getattr(evaluator, name) is not None:
        return getattr(evaluator, name)
    hook = name.removesuffix('s')
    source = next((part for part in (evaluator.datamodule, evaluator.module) if is_overridden(hook, part)), None)
    if source is None:
        return None
    try:
        if source is evaluator.datamodule:
            source.prepare_data()
            source.setup('fit')
        return getattr(source, hook)()
    except Exception as error:  # whatever the user's code raises
        raise DataError(f'{name}: {type(source).__name__}.{hook} failed: {type(error).__name__}: {error}; mend it, or give the '
                        f'loader to the strategy: DNA({name}=...)') from error
