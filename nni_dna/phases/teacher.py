"""Train the teacher on the task, where no weights are given."""

from __future__ import annotations

from pathlib import Path

from ..campaign.setup import Setup
from ..campaign.tasks import TEACHER_ID, Task
from ..campaign.work import WorkFolder
from ..retrain import Recipe, accuracy, train_classifier
from ..teacher import build_network
from ..weights import save_weights
from .outcome import Outcome, Report

__all__ = ['train_teacher', 'trained_teacher']

_FILE = 'teacher.safetensors'


def train_teacher(setup: Setup, work: WorkFolder, task: Task, report: Report) -> Outcome:
    """Train it on the images that are not held out; its accuracy is measured on those that are."""
    settings, classes = setup.settings.teacher, setup.data.task.num_classes
    network = build_network(settings, classes)
    recipe = Recipe(epochs=settings.epochs, lr=settings.lr, weight_decay=1e-2, label_smoothing=0.0)
    train_classifier(network, classes, recipe, setup.data.distillation(), report)
    reached = accuracy(network, classes, setup.data.holdout())
    file = work.task_folder(task.id) / _FILE
    save_weights(network, file)
    return Outcome(value=reached - 1, files=[file], details={'accuracy': reached})


def trained_teacher(work: WorkFolder) -> Path:
    """The weights that `train_teacher` wrote."""
    work.read_result(TEACHER_ID)
    return work.root / TEACHER_ID / _FILE
