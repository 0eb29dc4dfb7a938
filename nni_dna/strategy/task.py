"""A task of the campaign as something that NNI's engines can run."""

from __future__ import annotations

import uuid
from pathlib import Path
from typing import Any, Iterable, Mapping

import nni
from nni.nas.space import ExecutableModelSpace, ModelStatus
from nni.runtime.env_vars import trial_env_vars

from ..assignment import take_assignment
from ..campaign.tasks import Task
from ..campaign.work import WorkFolder
from ..leaving import leave_quickly
from ..manager import Row
from ..phases.running import run_task
from .parts import Parts
from .settings import read_strategy_settings
from .setup import StrategySetup

__all__ = ['DNATask', 'assignment', 'trials_of']


class DNATask(ExecutableModelSpace):
    """A task of the campaign: NNI calls what it runs a model.

    Parameters
    ----------
    work
        The work folder.
    task
        What to do.
    settings
        The strategy's, as its record gives them.
    definition
        NNI's search space, which restricts the model space.
    parts
        What the user gave the experiment: as text, or as it is where everything runs in one process.
    """

    def __init__(self, work: Path, task: Task, settings: Mapping[str, Any], definition: Mapping[str, Any], parts: Parts | str):
        super().__init__()
        self.work = work
        self.task = task
        self.settings = settings
        self.definition = definition
        self.parts = parts
        self.attempt = uuid.uuid4().hex  # by this its row is found again
        self.sent = False  # to a trial, by the training-service engine
        self.status = ModelStatus.Frozen

    def execute(self) -> None:
        """Do the task and report its final metric to NNI."""
        folder, task = WorkFolder(self.work), self.task
        if self.sent and trial_env_vars.NNI_PLATFORM is not None:  # these may be another trial's parameters
            leave_quickly()
            parameters = take_assignment(self.work, nni.get_experiment_id(), nni.get_trial_id())
            if parameters is None:
                return
            task = Task.from_parameters(parameters)
        nni.report_final_result(run_task(folder, task, nni.report_intermediate_result, self._setup))

    def _setup(self) -> StrategySetup:
        parts = Parts.load(self.parts) if isinstance(self.parts, str) else self.parts.fresh()
        return StrategySetup(read_strategy_settings(self.settings, self.work), self.definition, parts)

    def __str__(self) -> str:
        return f'{type(self).__name__}({self.task.id}, {self.status.value!r})'

    def extra_repr(self) -> str:
        return f'task={self.task.id!r}, status={self.status!r}'

    def _dump(self) -> dict[str, Any]:
        # First what the web UI shows of a trial.
        return {**self.task.parameters(str(self.work)), 'attempt': self.attempt, 'settings': self.settings,
                'definition': self.definition, 'parts': self.parts}

    @classmethod
    def _load(cls, attempt: str, settings: Any, definition: Any, parts: str, **parameters: Any) -> DNATask:
        loaded = cls(Path(parameters['work']), Task.from_parameters(parameters), settings, definition, parts)
        loaded.attempt, loaded.sent = attempt, True
        return loaded


def assignment(sent: Mapping[str, Any]) -> tuple[str, dict[str, Any]] | None:
    """The attempt and the task's parameters of a trial's row; None for a trial that is not ours."""
    parameters = sent.get('parameters')
    if not isinstance(parameters, dict) or 'attempt' not in parameters:
        return None
    return parameters['attempt'], {key: value for key, value in parameters.items()
                                   if key not in ('attempt', 'settings', 'definition', 'parts') and not key.startswith('__')}


def trials_of(rows: Iterable[Row]) -> dict[str, tuple[Task, str]]:
    """By attempt the task and the row's status, of the trials that are ours."""
    ours = [(assignment(row.sent), row.status) for row in rows]
    return {found[0]: (Task.from_parameters(found[1]), status) for found, status in ours if found is not None}
