"""What the search finds over the course of the supernets' training, and how good it is: the paper's figure.

From the rating tables of some epochs the best architecture of each is found and trained, as the winners are.
"""

from __future__ import annotations

import dataclasses
from typing import Any, Mapping, Sequence

import numpy as np

from ..settings.sections import SearchSettings
from ..spaces.chain import Chain
from .ranking import Costs, rank
from .tasks import Task, retrain_basis, retrain_task

__all__ = ['best_of_epoch', 'over_training_tasks', 'over_training_file']


def best_of_epoch(epoch: int, chain: Chain, costs: Costs, ratings: Sequence[np.ndarray],
                  settings: SearchSettings) -> dict[str, Any]:
    """The best architecture by the tables of an epoch: an entry as `rank` gives it, with the ``epoch`` in place of the rank."""
    best, = rank(chain, costs, ratings, dataclasses.replace(settings, top_k=1))
    return {'epoch': epoch, **{key: value for key, value in best.items() if key != 'rank'}}


def over_training_tasks(recipe: Any, found: Sequence[Mapping[str, Any]], winners: Sequence[Task],
                        trained: Mapping[str, str]) -> list[Task]:
    """Retrain what was found in each epoch, unless a winner or an earlier epoch has the same architecture.

    Parameters
    ----------
    recipe
        What the retraining depends on.
    found
        The entries of `best_of_epoch`, by epoch.
    winners
        The tasks that retrain the winners.
    trained
        Finished tasks, and the basis of each.
    """
    tasks: list[Task] = []
    known = {task.basis for task in winners}
    for entry in found:
        details = {'epoch': entry['epoch'], 'architecture': entry['architecture']}
        task = retrain_task(recipe, f'epoch{entry["epoch"]:03}', details, trained)
        if task.basis not in known:
            tasks.append(task)
        known.add(task.basis)
    return tasks


def over_training_file(found: Sequence[Mapping[str, Any]], recipe: Any, tasks: Sequence[Task],
                       accuracies: Mapping[str, float], losses: Mapping[str, Any]) -> dict[str, Any]:
    """What ``over_training.json`` holds.

    Parameters
    ----------
    found
        The entries of `best_of_epoch`, by epoch.
    recipe
        What the retraining depends on.
    tasks
        All that retrain.
    accuracies
        By the id of a task, as far as they are known.
    losses
        By supernet (``block1/cell``) the distillation loss of each epoch.
    """
    by_basis = {task.basis: task.id for task in tasks}
    entries = []
    for entry in found:
        task = by_basis[retrain_basis(recipe, entry['architecture'])]
        entries.append({**entry, 'accuracy': accuracies.get(task), 'task': task})
    return {'version': 1, 'epochs': entries, 'losses': dict(losses)}
