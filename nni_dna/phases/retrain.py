"""Retrain a winner from scratch, with labels and without the teacher."""

from __future__ import annotations

from torch import nn

from ..campaign.setup import Setup
from ..campaign.tasks import Task
from ..campaign.work import WorkFolder
from ..lightning import seed_all
from ..retrain import accuracy, recipe_from, train_classifier
from ..spaces import Architecture
from ..spaces.freezing import freeze
from ..weights import save_weights
from .outcome import Outcome, Report

__all__ = ['retrain', 'train_architecture']


def retrain(setup: Setup, work: WorkFolder, task: Task, report: Report) -> Outcome:
    """Train on all training images; the final value is the accuracy on the test images."""
    network, reached = train_architecture(setup, task.details['architecture'], report)
    file = work.task_folder(task.id) / 'model.safetensors'
    save_weights(network, file)
    return Outcome(value=reached, files=[file], details={'accuracy': reached})


def train_architecture(setup: Setup, architecture: Architecture, report: Report) -> tuple[nn.Module, float]:
    """Train one architecture as the ``retrain`` section says.

    Returns
    -------
    tuple
        The network, and its accuracy on the test images from 0 to 1.
    """
    classes = setup.data.task.num_classes
    seed_all(setup.settings.seed)
    network = freeze(setup.build_space(), architecture)
    train_classifier(network, classes, recipe_from(setup.settings.retrain), setup.data.retraining(), report)
    return network, accuracy(network, classes, setup.data.test())
