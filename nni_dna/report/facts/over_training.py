"""What the search would have found after each epoch of the supernets' training, where the experiment kept it."""

from __future__ import annotations

import itertools
import math
import statistics
from dataclasses import dataclass
from pathlib import Path
from typing import Mapping, Sequence

from ...campaign.records import OVER_TRAINING, read_record
from ...errors import ResultError

__all__ = ['EpochResult', 'mean_losses', 'read_over_training']

_FILE = 'over_training.json'


@dataclass(frozen=True, kw_only=True)
class EpochResult:
    """The best architecture by the ratings of one epoch.

    Attributes
    ----------
    epoch
        After how many epochs of training, from 1.
    rating
        Its rating then; smaller is better.
    accuracy
        After retraining; None where it was not retrained.
    """

    epoch: int
    rating: float
    accuracy: float | None


def read_over_training(root: Path) -> list[EpochResult]:
    """The epochs that a work folder has results of, in ascending order; none where the experiment kept none.

    Parameters
    ----------
    root
        The work folder.

    Raises
    ------
    ResultError
        If the file is damaged, or of another version.
    """
    file = root / _FILE
    if not file.is_file():
        return []
    entries = read_record(file, OVER_TRAINING, ResultError, 'start the experiment again, which writes it')['epochs']
    return sorted((EpochResult(epoch=entry['epoch'], rating=entry['rating'], accuracy=entry['accuracy']) for entry in entries),
                  key=lambda result: result.epoch)


def mean_losses(losses: Mapping[str, Mapping[str, Sequence[float | None]]]) -> list[float]:
    """The loss of each epoch, mean over all supernets that were trained in it.

    Parameters
    ----------
    losses
        Block to supernet to the loss of each epoch; None in one in which it was not trained.
    """
    lines = [line for block in losses.values() for line in block.values()]
    epochs = [[loss for loss in epoch if loss is not None] for epoch in itertools.zip_longest(*lines)]
    return [statistics.fmean(epoch) if epoch else math.nan for epoch in epochs]
