"""The images of an experiment whose data come in loaders: those of the evaluator, or those given to the strategy."""

from __future__ import annotations

from functools import cached_property
from typing import Any

from nni.nas.evaluator.pytorch import Lightning

from ..data import images_of
from ..errors import DataError
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
        found = _loaders_of(parts.evaluator)
        self._train = parts.train_dataloaders if parts.train_dataloaders is not None else found[0]
        self._val = parts.val_dataloaders if parts.val_dataloaders is not None else found[1]
        for loader, name, purpose in ((self._train, 'train_dataloaders', 'to distil from'),
                                      (self._val, 'val_dataloaders', 'to rate the paths on')):
            if loader is None:
                raise DataError(f'{name}: expected a loader of images {purpose}, and {type(parts.evaluator).__name__} has none; '
                                f'give it to the evaluator, or to the strategy: DNA({name}=...)')

    @cached_property
    def image_shape(self) -> tuple[int, int, int]:
        """(channels, height, width) of the training images, which those for the rating have too."""
        shapes = []
        for loader, name in ((self._train, 'train_dataloaders'), (self._val, 'val_dataloaders')):
            try:
                batch = next(iter(_flat(loader)))
            except StopIteration:
                raise DataError(f'{name}: expected at least one batch, got none; check batch_size and drop_last') from None
            except Exception as error:  # whatever the user's dataset raises
                raise DataError(f'{name}: reading the first batch failed: {type(error).__name__}: {error}') from error
            channels, height, width = images_of(batch).shape[1:]
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
        return _flat(self._train)

    def holdout(self) -> Any:
        """The validation batches."""
        return _flat(self._val)


def _loaders_of(evaluator: Any) -> tuple[Any, Any]:
    """The training and validation loaders of an evaluator; None where it has none."""
    if not isinstance(evaluator, Lightning):
        return None, None
    if evaluator.datamodule is not None:
        evaluator.datamodule.prepare_data()
        evaluator.datamodule.setup('fit')
        return evaluator.datamodule.train_dataloader(), evaluator.datamodule.val_dataloader()
    return (evaluator.train_dataloaders or _own(evaluator.module, 'train_dataloader'),
            evaluator.val_dataloaders or _own(evaluator.module, 'val_dataloader'))


def _own(module: Any, name: str) -> Any:
    """A loader that a LightningModule defines itself."""
    try:
        return getattr(module, name)()
    except Exception:  # Lightning raises errors of its own kinds where a module defines none
        return None


def _flat(loaders: Any) -> Any:
    """The batches of one loader, or of a list of them."""
    if isinstance(loaders, (list, tuple)):
        return (batch for loader in loaders for batch in loader)
    return loaders
