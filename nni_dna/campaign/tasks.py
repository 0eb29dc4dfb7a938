"""The tasks of a campaign: what one trial does."""

from __future__ import annotations

import hashlib
import json
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Mapping, Sequence
from urllib.parse import quote

from ..settings.sections import CommonSettings

if TYPE_CHECKING:  # the chain's package imports torch, which `nni-dna show` does without
    from ..spaces.chain import Architecture, Block, Chain

__all__ = ['PHASES', 'TEACHER_ID', 'Task', 'supernet_id', 'teacher_tasks', 'distill_tasks', 'distils', 'retrain_task',
           'retrain_tasks', 'chained_basis', 'retrain_basis', 'ratings_name']

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
        Digest of what the result depends on beyond the settings: the teacher that was trained, the blocks before it that were
        searched, the architecture and how it is trained. A result on another basis does not count.
    ready
        Whether all of that is there; without it there is no basis yet, and the task must wait.
    """

    phase: str
    name: str
    details: Mapping[str, Any] = field(default_factory=dict)
    basis: str = ''
    ready: bool = field(default=True, compare=False)

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


def ratings_name(epoch: int | None = None) -> str:
    """The file of a supernet's rating table: that of the end, or that of an epoch in the course of the training."""
    return 'ratings.npz' if epoch is None else f'ratings-epoch{epoch:03}.npz'


def distill_tasks(settings: CommonSettings, chain: Chain, teacher: str, groups: Sequence[Sequence[str]] = (),
                  finished: Mapping[str, Mapping[str, Any]] | None = None) -> list[Task]:
    """Distil and rate, as ``distill.tasks`` shares the supernets among tasks.

    Parameters
    ----------
    settings
        The experiment's.
    chain
        Its blocks.
    teacher
        Digest of the teacher that was trained; empty where none was.
    groups
        The supernets of each task, by `supernet_id`, where ``distill.tasks`` is a number.
    finished
        By task the ``basis`` and ``sha256`` of the results so far. Where the input is ``progressive``, the tasks of a block build
        on all results of the blocks before it, and wait for them.
    """
    if settings.distill.tasks == 'joint':
        return [Task(phase='distill', name='all', details={'block': 'all', 'cell': 'all'}, basis=teacher)]
    if settings.distill.tasks == 'block':
        return [Task(phase='distill', name=f'groups/{block.name}', details={'block': block.name, 'cell': 'all'}, basis=teacher)
                for block in chain.blocks]
    if settings.distill.tasks != 'cell':
        return [Task(phase='distill', name=f'groups/{number}-of-{len(groups)}', details={'supernets': list(group)}, basis=teacher)
                for number, group in enumerate(groups, start=1)]
    tasks: list[Task] = []
    for block in chain.blocks:
        basis: str | None = teacher
        if settings.distill.input == 'progressive':
            events = [(finished or {}).get(task.id) for task in tasks]
            done = [event['sha256'] for task, event in zip(tasks, events)
                    if event and task.ready and event['basis'] == task.basis]
            basis = chained_basis(teacher, done) if len(done) == len(tasks) else None
        tasks += [Task(phase='distill', name=supernet_id(block, name).partition('/')[2],
                       details={'block': block.name, 'cell': name}, basis=basis or '', ready=basis is not None)
                  for name in block.supernets]
    return tasks


def distils(task: Task, block: Block, name: str) -> bool:
    """Whether a task distils this supernet."""
    if 'supernets' in task.details:
        return supernet_id(block, name) in task.details['supernets']
    return task.details['block'] in (block.name, 'all') and task.details['cell'] in (name, 'all')


def chained_basis(teacher: str, results: list[str]) -> str:
    """The basis of a task that builds on others: the digest of the teacher, and those of their results, in order."""
    return _digest([teacher, results]) if results else teacher


def retrain_tasks(recipe: Any, architectures: list[Architecture], trained: Mapping[str, str]) -> list[Task]:
    """Retrain the winners, best first.

    Parameters
    ----------
    recipe
        What the retraining depends on.
    architectures
        The winners.
    trained
        Finished tasks, and the basis of each.
    """
    return [retrain_task(recipe, f'rank{rank}', {'rank': rank, 'architecture': architecture}, trained)
            for rank, architecture in enumerate(architectures, start=1)]


def retrain_task(recipe: Any, name: str, details: Mapping[str, Any], trained: Mapping[str, str]) -> Task:
    """Retrain an architecture. One that a finished task trained, under whatever name, is that task's; none of their folders is
    used for another.

    Parameters
    ----------
    recipe
        What the retraining depends on.
    name
        Of the task, where it is new.
    details
        With the ``architecture``.
    trained
        Finished tasks, and the basis of each.
    """
    basis = retrain_basis(recipe, details['architecture'])
    known = next((task for task, other in trained.items() if other == basis and task.startswith('retrain/')), None)
    if known is not None:
        name = known.partition('/')[2]
    elif f'retrain/{name}' in trained:  # by another search, or recipe
        name = f'{name}-{basis[:8]}'
    return Task(phase='retrain', name=name, details=details, basis=basis)


def retrain_basis(recipe: Any, architecture: Architecture) -> str:
    """What a retrained network depends on."""
    return _digest([architecture, recipe])


def _digest(content: Any) -> str:
    return hashlib.sha256(json.dumps(content, sort_keys=True, default=str).encode()).hexdigest()[:16]
