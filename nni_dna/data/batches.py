"""What a loader's batch holds."""

from __future__ import annotations

from typing import Any

import torch

from ..errors import DataError

__all__ = ['images_of']


def images_of(batch: Any) -> torch.Tensor:
    """The images of a batch: it is a tensor of images, or begins with one.

    Raises
    ------
    DataError
        If the batch is anything else.
    """
    images = batch[0] if isinstance(batch, (tuple, list)) and batch else batch
    if not isinstance(images, torch.Tensor) or images.ndim != 4:
        got = f'a tensor of shape {tuple(images.shape)}' if isinstance(images, torch.Tensor) else type(images).__name__
        raise DataError('data: expected batches that are, or begin with, images (batch, channels, height, width), got '
                        f'{got}; let the loader give (images, labels)')
    return images
