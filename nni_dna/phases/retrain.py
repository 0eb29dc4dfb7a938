"""Retrain a winner from scratch, with labels and without the teacher."""

from __future__ import annotations

from pathlib import Path

from torch import nn

from ..campaign.setup import Setup
from ..campaign.tasks import Task
from ..campaign.work import WorkFolder
from ..lightning import seed_all
from ..retrain.ranks import other_ranks
from ..spaces import Architecture
from ..spaces.freezing import plain_network
from ..weights import save_weights
from .outcome import Outcome, Report

__all__ = ['retrain', 'train_architecture', 'checkpoint_of', 'untrained']


def retrain(setup: Setup, work: WorkFolder, task: Task, report: Report) -> Outcome:
    """Train the task's architecture; the final value is its quality, as the experiment measures it."""
    checkpoint = checkpoint_of(work, task)
    for other in checkpoint.parent.glob('*.ckpt'):
        if other != checkpoint:  # of another architecture or recipe
            other.unlink()
    with other_ranks(setup.processes, 'nni_dna.phases.rank', task.parameters(str(work.root))):
        network, reached = train_architecture(setup, task.details['architecture'], report, checkpoint)
    file = work.task_folder(task.id) / 'model.safetensors'
    save_weights(network, file)
    return Outcome(value=reached, files=[file], details={'accuracy': reached, **setup.findings(network)}, scratch=[checkpoint])


def checkpoint_of(work: WorkFolder, task: Task) -> Path:
    """Where the state of the task's training is kept while it runs; the name says what it is the state of."""
    return work.task_folder(task.id) / f'training-{task.basis}.ckpt'


def train_architecture(setup: Setup, architecture: Architecture, report: Report,
                       checkpoint: Path | None = None) -> tuple[nn.Module, float]:
    """Train one architecture as the experiment's recipe says.

    Parameters
    ----------
    setup
        The experiment's parts.
    architecture
        The value of every label.
    report
        Takes intermediate results.
    checkpoint
        File that an interrupted training goes on from.

    Returns
    -------
    tuple
        The network, and its final metric.
    """
    network = untrained(setup, architecture)
    return network, setup.retrain(network, report, checkpoint)


def untrained(setup: Setup, architecture: Architecture) -> nn.Module:
    """The plain network with the seed's random weights."""
    seed_all(setup.settings.seed)
    return plain_network(setup.build_space(), architecture)
