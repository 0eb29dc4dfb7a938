"""The one Lightning trainer that all phases use: one device, a GPU where there is one."""

from __future__ import annotations

import logging
import warnings

import pytorch_lightning as pl

__all__ = ['make_trainer']


def make_trainer(epochs: int) -> pl.Trainer:
    """A quiet trainer: our tasks report their progress to NNI and keep their own files.

    Parameters
    ----------
    epochs
        Number of epochs.
    """
    logging.getLogger('pytorch_lightning').setLevel(logging.WARNING)
    warnings.filterwarnings('ignore', '.*does not have many workers.*')  # small data is faster without workers
    warnings.filterwarnings('ignore', '.*log_every_n_steps.*')
    return pl.Trainer(max_epochs=epochs, accelerator='auto', devices=1, logger=False, enable_checkpointing=False,
                      enable_progress_bar=False, enable_model_summary=False)
