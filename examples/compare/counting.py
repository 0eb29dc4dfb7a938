"""How many images the training steps of a search see."""

from typing import Any, Mapping

import pytorch_lightning as pl
import torch


def images_in(batch: Any) -> int:
    """The number of images in a batch, in whichever form NNI's one-shot strategies nest it.

    Parameters
    ----------
    batch
        ``(images, labels)``; by name, for DARTS; with a name behind it, for ENAS.
    """
    if isinstance(batch, Mapping):
        return sum(images_in(part) for part in batch.values())
    return len(batch[0]) if isinstance(batch[0], torch.Tensor) else images_in(batch[0])


class ImagesSeen(pl.Callback):
    """Counts the images of every training step: those that train weights, and those that train an architecture.

    Attributes
    ----------
    count
        The number so far, over all trainings that had this callback.
    """

    def __init__(self) -> None:
        self.count = 0

    def on_train_batch_end(self, trainer: pl.Trainer, pl_module: pl.LightningModule, outputs: Any, batch: Any,
                           batch_idx: int) -> None:
        self.count += images_in(batch)
