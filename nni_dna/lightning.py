"""The one Lightning trainer that all phases use: one device, a GPU where there is one."""

from __future__ import annotations

import logging
import warnings
from contextlib import contextmanager
from typing import Any, Iterator

import pytorch_lightning as pl
import torch

from .marks import mark

__all__ = ['make_trainer', 'interruptible', 'seed_all', 'compute_device']


def make_trainer(max_epochs: int | None = None, **options: Any) -> pl.Trainer:
    """A quiet trainer: our tasks report their progress to NNI and keep their own files.

    Parameters
    ----------
    max_epochs
        Number of epochs.
    **options
        Of Lightning's trainer: what is not given is one device, a GPU where there is one, and no progress bar.
    """
    _quiet()
    warnings.filterwarnings('ignore', '.*does not have many workers.*')  # small data is faster without workers
    warnings.filterwarnings('ignore', '.*log_every_n_steps.*')
    return pl.Trainer(**{'accelerator': 'auto', 'devices': 1, 'enable_progress_bar': False, **options}, max_epochs=max_epochs,
                      logger=False, enable_checkpointing=False, enable_model_summary=False)


@contextmanager
def interruptible(trainer: pl.Trainer) -> Iterator[None]:
    """Let Ctrl+C end what a trainer does in here, and all that would follow.

    Lightning 2.0 goes on after it as if the training had come to its end; later versions exit. Each batch marks progress.
    """
    trainer.callbacks.append(_Marks())
    try:
        yield
    except SystemExit as error:
        if not isinstance(error.__context__, KeyboardInterrupt):
            raise
    if trainer.interrupted:
        raise KeyboardInterrupt


class _Marks(pl.Callback):
    """Tells that a batch is done."""

    def on_train_batch_end(self, *args: Any) -> None:
        mark()

    def on_validation_batch_end(self, *args: Any) -> None:
        mark()


def seed_all(seed: int) -> None:
    """Seed Python, NumPy, PyTorch and the loader workers."""
    _quiet()
    pl.seed_everything(seed, workers=True)


def compute_device() -> torch.device:
    """Where to compute outside a trainer: a GPU where there is one."""
    return torch.device('cuda' if torch.cuda.is_available() else 'cpu')


def _quiet() -> None:
    logging.getLogger('pytorch_lightning').setLevel(logging.WARNING)
    logging.getLogger('lightning.fabric').setLevel(logging.WARNING)
    logging.getLogger('lightning_fabric').setLevel(logging.WARNING)
