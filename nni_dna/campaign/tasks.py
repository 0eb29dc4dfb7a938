"""The tasks of a campaign: what one trial does."""

from __future__ import annotations

import dataclasses
import hashlib
import json
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Mapping

from ..settings.sections import Settings

if TYPE_CHECKING:  # the chain's package imports torch, which `nni-dna show` does without
    from ..spaces.chain import Architecture, Block, Cell, Chain

__all__ = ['PHASES', 'TEACHER_ID', 'Task', 'cell_id', 'teacher_tasks', 'distill_tasks', 'retrain_tasks']

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


def teacher_tasks(settings: Settings) -> list[Task]:
    """Train the teacher, where no weights are given."""
    return [Task(phase='teacher', name=TEACHER_ID.partition('/')[2], details={'teacher': settings.teacher.name})] \
        if settings.teacher.weights == 'train' else []


def cell_id(block: Block, cell: Cell) -> str:
    """The folder of a cell's rating table and supernet, whichever task made them."""
    return f'distill/{block.name}/{cell.name}'


def distill_tasks(settings: Settings, chain: Chain, teacher: str) -> list[Task]:
    """Distil and rate: a task per cell, or one for all. ``teacher`` is the digest of a teacher that was trained."""
    if settings.distill.tasks == 'joint':
        return [Task(phase='distill', name='all', details={'block': 'all', 'cell': 'all'}, basis=teacher)]
    return [Task(phase='distill', name=cell_id(block, cell).partition('/')[2],
                 details={'block': block.name, 'cell': cell.name},
                 basis=teacher)
            for _, _, block, cell in chain.cells()]


def retrain_tasks(settings: Settings, architectures: list[Architecture]) -> list[Task]:
    """Retrain the winners, best first."""
    recipe = dataclasses.asdict(settings.retrain)
    return [Task(phase='retrain', name=f'rank{rank}', details={'rank': rank, 'architecture': architecture},
                 basis=_digest([architecture, recipe]))
            for rank, architecture in enumerate(architectures, start=1)]


def _digest(content: Any) -> str:
    return hashlib.sha256(json.dumps(content, sort_keys=True, default=str).encode()).hexdigest()[:16]
