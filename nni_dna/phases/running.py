"""Run one task of a campaign, whoever sent it: the entry that ``python -m nni_dna.trial`` and in-process runs share."""

from __future__ import annotations

import traceback
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Callable, Mapping

import torch

from ..campaign.setup import Setup
from ..campaign.tasks import Task
from ..campaign.work import WorkFolder
from ..errors import NniDnaError
from ..lightning import seed_all

__all__ = ['Outcome', 'Report', 'run_task']

Report = Callable[[float], None]
"""Takes an intermediate result."""


@dataclass(frozen=True, kw_only=True)
class Outcome:
    """What a task found.

    Attributes
    ----------
    value
        The final metric: an accuracy for ``retrain``, and a value of at most 0 for the others, so that the web UI's best
        trials are the retrained models.
    files
        What it wrote.
    details
        Further JSON-able findings.
    """

    value: float
    files: list[Path]
    details: Mapping[str, Any] = field(default_factory=dict)


def run_task(work: WorkFolder, task: Task, report: Report) -> dict[str, Any]:
    """Do a task and vouch for its files; a task that was already done is only reported again.

    Parameters
    ----------
    work
        The work folder, claimed by the campaign.
    task
        What to do.
    report
        Takes intermediate results.

    Returns
    -------
    dict
        The trial's final metric.

    Raises
    ------
    Exception
        Whatever went wrong; its text is also kept in the work folder, for the campaign to show.
    """
    from .distill import distill
    from .retrain import retrain
    from .teacher import train_teacher

    done = work.finished_metric(task.id)
    if done is not None:
        return done
    steps: dict[str, Callable[[Setup, WorkFolder, Task, Report], Outcome]] = {
        'teacher': train_teacher, 'distill': distill, 'retrain': retrain}
    try:
        settings, definition = work.settings()
        if settings.threads is not None:
            torch.set_num_threads(settings.threads)
        seed_all(settings.seed)
        outcome = steps[task.phase](Setup(settings, definition), work, task, report)
        return work.write_result(task.id, outcome.value, outcome.files, outcome.details)
    except Exception as error:
        text = str(error) if isinstance(error, NniDnaError) else traceback.format_exc()
        work.write_error(task.id, f'{type(error).__name__}: {text}' if isinstance(error, NniDnaError) else text)
        raise
