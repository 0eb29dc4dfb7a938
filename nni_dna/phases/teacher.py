"""Train the teacher on the task, where no weights are given."""

from __future__ import annotations

from ..campaign.setup import Setup
from ..campaign.tasks import TEACHER_ID, Task
from ..campaign.work import WorkFolder
from ..teacher import StagedTeacher
from ..weights import save_weights
from .outcome import Outcome, Report

__all__ = ['train_teacher', 'staged_teacher']

_FILE = 'teacher.safetensors'


def train_teacher(setup: Setup, work: WorkFolder, task: Task, report: Report) -> Outcome:
    """Train it on images that are not held out; the final value is its accuracy on those that are, minus 1."""
    network = setup.untrained_teacher()
    reached = setup.train_teacher(network, report)
    file = work.task_folder(task.id) / _FILE
    save_weights(network, file)
    return Outcome(value=reached - 1, files=[file], details={'accuracy': reached})


def staged_teacher(setup: Setup, work: WorkFolder) -> StagedTeacher:
    """The teacher in stages: with the weights that `train_teacher` wrote, or those that the user gave."""
    if setup.settings.teacher.weights != 'train':
        return setup.teacher(None)
    work.read_result(TEACHER_ID)
    return setup.teacher(work.root / TEACHER_ID / _FILE)
