"""The tasks of a campaign: what one trial does."""

from __future__ import annotations

import hashlib
import json
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Mapping
from urllib.parse import quote

from ..settings.sections import CommonSettings

if TYPE_CHECKING:  # the chain's package imports torch, which `nni-dna show` does without
    from ..spaces.chain import Architecture, Block, Chain

__all__ = ['PHASES', 'TEACHER_ID', 'Task', 'supernet_id', 'teacher_tasks', 'distill_tasks', 'retrain_tasks']

PHASES = ('teacher', 'distill', 'search', 'retrain', 'done')
"""In order; ``search`` and ``done`` have no tasks."""

TEACHER_ID = 'teacher/train'
"""The task that trains the teacher."""


@dataclass(frozen=True, kw_only=True)
class Task:
    """Something that one trial does from start to end.

    Attributes
    ----------
    phase
        ``teacher``, ``distill`` or ``retrain``.
    name
        Unique within the phase; ``id`` is its folder in the work folder.
    details
        What it is about, for people and for the trial.
    basis
        Digest of what the result depends on beyond the settings: the teacher that was trained, the architecture and how it is
        trained. A result on another basis does not count.
    """

    phase: str
    name: str
    details: Mapping[str, Any] = field(default_factory=dict)
    basis: str = ''

    @property
    def id(self) -> str:
        """Unique within the campaign."""
        return f'{self.phase}/{self.name}'

    def parameters(self, work: str) -> dict[str, Any]:
        """The parameters of the trial that does this task."""
        return {'phase': self.phase, 'task': self.id, **self.details, 'basis': self.basis, 'work': work}

    @staticmethod
    def from_parameters(parameters: Mapping[str, Any]) -> Task:
        """The task that a trial's parameters ask for."""
        phase, _, name = parameters['task'].partition('/')
        details = {key: value for key, value in parameters.items() if key not in ('phase', 'task', 'basis', 'work')}
        return Task(phase=phase, name=name, details=details, basis=parameters['basis'])


def teacher_tasks(settings: CommonSettings) -> list[Task]:
    """Train the teacher, where no weights are given."""
    return [Task(phase='teacher', name=TEACHER_ID.partition('/')[2], details={'teacher': settings.teacher.name})] \
        if settings.teacher.weights == 'train' else []


def supernet_id(block: Block, name: str) -> str:
    """The folder of a supernet's rating table and weights, whichever task made them."""
    return f'distill/{block.name}/{quote(name, safe="")}'


def distill_tasks(settings: CommonSettings, chain: Chain, teacher: str) -> list[Task]:
    """Distil and rate: a task per supernet, or one for all. ``teacher`` is the digest of a teacher that was trained."""
    if settings.distill.tasks == 'joint':
        return [Task(phase='distill', name='all', details={'block': 'all', 'cell': 'all'}, basis=teacher)]
    return [Task(phase='distill', name=supernet_id(block, name).partition('/')[2],
                 details={'block': block.name, 'cell': name},
                 basis=teacher)
            for _, _, block, name in chain.supernets()]


def retrain_tasks(recipe: Any, architectures: list[Architecture], trained: Mapping[str, str]) -> list[Task]:
    """Retrain the winners, best first.

    Parameters
    ----------
    recipe
        What the retraining depends on.
    architectures
        The winners.
    trained
        Finished tasks, and the basis of each. A winner that one of them trained, at whatever rank, is that task's; none of
        their folders is used for another.
    """
    tasks = []
    known = {basis: task_id for task_id, basis in trained.items() if task_id.startswith('retrain/')}
    for rank, architecture in enumerate(architectures, start=1):
        basis, name = _digest([architecture, recipe]), f'rank{rank}'
        if basis in known:
            name = known[basis].partition('/')[2]
        elif f'retrain/{name}' in trained:  # by another search, or recipe
            name = f'{name}-{basis[:8]}'
        tasks.append(Task(phase='retrain', name=name, details={'rank': rank, 'architecture': architecture}, basis=basis))
    return tasks


def _digest(content: Any) -> str:
    return hashlib.sha256(json.dumps(content, sort_keys=True, default=str).encode()).hexdigest()[:16]
