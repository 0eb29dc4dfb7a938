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

__all__ = ['retrain', 'train_architecture', 'untrained']


def retrain(setup: Setup, work: WorkFolder, task: Task, report: Report) -> Outcome:
    """Train the task's architecture; the final value is its quality, as the experiment measures it."""
    checkpoint = work.task_folder(task.id) / f'training-{task.basis}.ckpt'  # the name says what it is the state of
    for other in checkpoint.parent.glob('*.ckpt'):
        if other != checkpoint:  # of another architecture or recipe
            other.unlink()
    network, reached, more = train_architecture(setup, task.details['architecture'], report, checkpoint)
    file = work.task_folder(task.id) / 'model.safetensors'
    save_weights(network, file)
    return Outcome(value=reached, files=[file], details={'accuracy': reached, **more}, scratch=[checkpoint])


def train_architecture(setup: Setup, architecture: Architecture, report: Report,
                       checkpoint: Path | None = None) -> tuple[nn.Module, float, dict[str, float]]:
    """Train one architecture as the experiment's recipe says, in as many processes.

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
        The network, its final metric, and what else there is to say of it.
    """
    payload = {'work': str(setup.settings.work), 'architecture': architecture, 'checkpoint': checkpoint and str(checkpoint)}
    with other_ranks(setup.processes, 'nni_dna.phases.rank', payload):
        network = untrained(setup, architecture)
        return network, *setup.retrain(network, report, checkpoint)


def untrained(setup: Setup, architecture: Architecture) -> nn.Module:
    """The plain network with the seed's random weights."""
    seed_all(setup.settings.seed)
    return plain_network(setup.build_space(), architecture)
