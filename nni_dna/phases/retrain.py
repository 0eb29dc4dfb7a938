"""Retrain a winner from scratch, with labels and without the teacher."""

from __future__ import annotations

from torch import nn

from ..campaign.setup import Setup
from ..campaign.tasks import Task
from ..campaign.work import WorkFolder
from ..lightning import seed_all
from ..spaces import Architecture
from ..spaces.freezing import plain_network
from ..weights import save_weights
from .outcome import Outcome, Report

__all__ = ['retrain', 'train_architecture']


def retrain(setup: Setup, work: WorkFolder, task: Task, report: Report) -> Outcome:
    """Train the task's architecture; the final value is its quality, as the experiment measures it."""
    network, reached = train_architecture(setup, task.details['architecture'], report)
    file = work.task_folder(task.id) / 'model.safetensors'
    save_weights(network, file)
    return Outcome(value=reached, files=[file], details={'accuracy': reached})


def train_architecture(setup: Setup, architecture: Architecture, report: Report) -> tuple[nn.Module, float]:
    """Train one architecture as the experiment's recipe says.

    Returns
    -------
    tuple
        The network, and its final metric.
    """
    seed_all(setup.settings.seed)
    network = plain_network(setup.build_space(), architecture)
    return network, setup.retrain(network, report)
