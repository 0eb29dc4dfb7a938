"""The tasks of a campaign: what one trial does."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Mapping

from ..settings.sections import Settings

if TYPE_CHECKING:  # the chain's package imports torch, which `nni-dna show` does without
    from ..spaces.chain import Architecture, Chain

__all__ = ['PHASES', 'Task', 'teacher_tasks', 'distill_tasks', 'retrain_tasks']

PHASES = ('teacher', 'distill', 'search', 'retrain', 'done')
"""In order; ``search`` and ``done`` have no tasks."""


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
    """

    phase: str
    name: str
    details: Mapping[str, Any] = field(default_factory=dict)

    @property
    def id(self) -> str:
        """Unique within the campaign."""
        return f'{self.phase}/{self.name}'

    def parameters(self, work: str) -> dict[str, Any]:
        """The parameters of the trial that does this task."""
        return {'phase': self.phase, 'task': self.id, **self.details, 'work': work}

    @staticmethod
    def from_parameters(parameters: Mapping[str, Any]) -> Task:
        """The task that a trial's parameters ask for."""
        phase, _, name = parameters['task'].partition('/')
        details = {key: value for key, value in parameters.items() if key not in ('phase', 'task', 'work')}
        return Task(phase=phase, name=name, details=details)


def teacher_tasks(settings: Settings) -> list[Task]:
    """Train the teacher, where no weights are given."""
    return [Task(phase='teacher', name='train', details={'teacher': settings.teacher.name})] \
        if settings.teacher.weights == 'train' else []


def distill_tasks(settings: Settings, chain: Chain) -> list[Task]:
    """Distil and rate: a task per cell, or one for all."""
    if settings.distill.tasks == 'joint':
        return [Task(phase='distill', name='all', details={'block': 'all', 'cell': 'all'})]
    return [Task(phase='distill', name=f'{block.name}/{cell.name}', details={'block': block.name, 'cell': cell.name})
            for _, _, block, cell in chain.cells()]


def retrain_tasks(architectures: list[Architecture]) -> list[Task]:
    """Retrain the winners, best first."""
    return [Task(phase='retrain', name=f'rank{rank}', details={'rank': rank, 'architecture': architecture})
            for rank, architecture in enumerate(architectures, start=1)]
