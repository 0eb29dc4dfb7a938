"""Trials of before an interruption: NNI's manager starts them again by itself, and its engine does not tell how they end."""

from __future__ import annotations

from typing import Sequence

from ..assignment import TrialAssigner
from ..campaign.tasks import Task
from ..manager import Manager
from .task import trials_of

__all__ = ['InterruptedTrials']

# What a row says of a trial that a resumed manager starts again; it needs about a second before it says so to the row.
_STARTED_AGAIN = ('ADD_RESUMED', 'WAITING', 'RUNNING')
_RUNNING = (*_STARTED_AGAIN, 'UNKNOWN')


class InterruptedTrials:
    """Those of them that do a task of the campaign; the others are told to end.

    Parameters
    ----------
    manager
        Knows the rows.
    assigner
        Tells the trials.
    """

    def __init__(self, manager: Manager, assigner: TrialAssigner):
        self._manager = manager
        self._assigner = assigner
        self._tasks: dict[str, Task] = {}  # by attempt

    def take_over(self, wanted: Sequence[Task]) -> list[Task]:
        """The tasks that are being done, by one trial each."""
        for attempt, (task, status) in trials_of(self._manager.rows()).items():
            if status not in _STARTED_AGAIN:
                continue
            if task in wanted and task not in self._tasks.values():
                self._tasks[attempt] = task
                self._assigner.expect(attempt)
            else:
                self._assigner.supersede(attempt)
        return list(self._tasks.values())

    def ended(self) -> list[tuple[Task, bool]]:
        """The tasks whose trials have ended since the last call, and whether well."""
        if not self._tasks:
            return []
        status = {attempt: status for attempt, (_, status) in trials_of(self._manager.rows()).items()}
        over = [attempt for attempt in self._tasks if status[attempt] not in _RUNNING]
        return [(self._tasks.pop(attempt), status[attempt] == 'SUCCEEDED') for attempt in over]
