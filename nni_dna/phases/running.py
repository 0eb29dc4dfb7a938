"""Run one task of a campaign, whoever sent it: the entry that ``python -m nni_dna.trial`` and in-process runs share."""

from __future__ import annotations

import traceback
from contextlib import nullcontext, suppress
from typing import Any, Callable

import torch

from ..campaign.setup import Setup
from ..campaign.tasks import Task
from ..campaign.work import WorkFolder
from ..errors import NniDnaError, OutOfMemoryError, WorkFolderError
from ..files import writing
from ..imports import add_to_path
from ..lightning import seed_all
from ..marks import mark, mark_file, marking
from ..rating.memory import is_shortage
from ..settings import CommonSettings
from .distill import distill
from .outcome import Outcome, Report
from .retrain import retrain
from .teacher import train_teacher

__all__ = ['run_task', 'use_threads']

_STEPS: dict[str, Callable[[Setup, WorkFolder, Task, Report], Outcome]] = {
    'teacher': train_teacher, 'distill': distill, 'retrain': retrain}


def use_threads(settings: CommonSettings) -> None:
    """Take as many CPU threads as the settings say."""
    if settings.threads is not None:
        torch.set_num_threads(settings.threads)


def run_task(work: WorkFolder, task: Task, report: Report, make_setup: Callable[[], Setup]) -> dict[str, Any]:
    """Do a task and vouch for its files; a task that was already done is only reported again.

    Parameters
    ----------
    work
        The work folder, claimed by the campaign.
    task
        What to do.
    report
        Takes intermediate results.
    make_setup
        Gives the experiment's parts.

    Returns
    -------
    dict
        The trial's final metric.

    Raises
    ------
    Exception
        Whatever went wrong; its text is also kept in the work folder, for the campaign to show.
    """
    with work.alone(task.id):
        work.take_error(task.id)  # of an earlier try
        done = work.finished_metric(task.id, task.basis)
        if done is not None:
            return done
        try:
            return _run(work, task, report, make_setup)
        except Exception as error:
            ours = isinstance(error, NniDnaError)
            with suppress(WorkFolderError):  # where there is no room for it either
                work.write_error(task.id, f'{type(error).__name__}: {error}' if ours else traceback.format_exc())
            raise


def _run(work: WorkFolder, task: Task, report: Report, make_setup: Callable[[], Setup]) -> dict[str, Any]:
    def progress(value: float) -> None:
        mark()
        report(value)

    add_to_path(work.code_folder())
    setup = make_setup()
    use_threads(setup.settings)
    seed_all(setup.settings.seed)
    watched = setup.settings.stall_minutes is not None
    try:
        with marking(mark_file(work.root, task.id)) if watched else nullcontext():
            outcome = _STEPS[task.phase](setup, work, task, progress)
    except (RuntimeError, MemoryError) as error:
        if isinstance(error, NniDnaError) or not is_shortage(error):
            raise
        raise OutOfMemoryError(f'{task.id}: expected memory for its steps, got {type(error).__name__}: {error}; lower the batch '
                               'size or data.image_size, or run fewer trials at a time') from error
    metric = work.write_result(task.id, outcome.value, outcome.files, outcome.details, task.basis)
    for file in outcome.scratch:
        with writing(file):
            file.unlink(missing_ok=True)
    return metric
