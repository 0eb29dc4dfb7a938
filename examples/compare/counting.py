"""How many images the training steps of a search see."""

from typing import Any, Iterator, Mapping

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

    def counted(self, batches: Any) -> 'Counted':
        """The same batches; what is drawn from them counts. For trainings that take no callback."""
        return Counted(batches, self)


class Counted:
    """The batches of a loader, counted as they are drawn.

    Parameters
    ----------
    batches
        The loader.
    seen
        What counts.
    """

    def __init__(self, batches: Any, seen: ImagesSeen) -> None:
        self.batches = batches
        self.seen = seen

    def __len__(self) -> int:
        return len(self.batches)

    def __iter__(self) -> Iterator[Any]:
        for batch in self.batches:
            self.seen.count += images_in(batch)
            yield batch
