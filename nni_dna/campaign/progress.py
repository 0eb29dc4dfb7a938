"""How far a campaign is, read from its journal alone: no torch, no data, while it runs elsewhere."""

from __future__ import annotations

import statistics
from dataclasses import dataclass
from typing import Any

from .work import WorkFolder

__all__ = ['Progress', 'read_progress']


@dataclass(frozen=True, kw_only=True)
class Progress:
    """The state of a campaign.

    Attributes
    ----------
    phase
        ``teacher``, ``distill``, ``search``, ``retrain`` or ``done``.
    counts
        Per phase, how many tasks are finished, and of how many.
    running
        Task to the time at which it was started (seconds since 1970).
    durations
        Per phase, the seconds that each finished task took.
    last_error
        Of the last event, if that was a failure.
    """

    phase: str
    counts: dict[str, tuple[int, int]]
    running: dict[str, float]
    durations: dict[str, list[float]]
    last_error: str

    def seconds_left(self, now: float) -> float | None:
        """An estimate: tasks left times the mean time of their phase (or of all), over what runs at the same time.

        Parameters
        ----------
        now
            Seconds since 1970.
        """
        known = [value for values in self.durations.values() for value in values]
        if not known:
            return None
        left = 0.0
        for phase, (done, total) in self.counts.items():
            mean = statistics.fmean(self.durations.get(phase) or known)
            left += mean * (total - done)
            left -= sum(max(0.0, min(now - since, mean)) for task, since in self.running.items() if task.startswith(phase + '/'))
        return left / max(1, len(self.running))


def read_progress(work: WorkFolder) -> Progress:
    """Read the journal of a work folder.

    Raises
    ------
    WorkFolderError
        If this is no work folder or the journal is damaged.
    """
    work.record()
    totals: dict[str, int] = {}
    started: dict[str, float] = {}
    finished: dict[str, float] = {}
    last: dict[str, Any] = {}
    phase = 'teacher'
    winners: set[str] | None = None  # the tasks that train the ranking's architectures, not those of another search
    for event in work.events():
        last = event
        if event['event'] == 'opened':
            totals = event['tasks']
            started.clear()
            finished = dict.fromkeys(event['finished'], 0.0) | {
                task: seconds for task, seconds in finished.items() if task in event['finished']}
        elif event['event'] == 'started':
            started[event['task']] = event['time']
        elif event['event'] == 'finished':
            finished[event['task']] = event['time'] - started.pop(event['task'], event['time'])
        elif event['event'] == 'failed':
            started.pop(event['task'], None)
        elif event['event'] == 'ranked':
            totals = {**totals, 'retrain': event['architectures']}
            winners = set(event.get('retrain', ())) or None
        phase = event.get('phase', phase)
    durations: dict[str, list[float]] = {}
    for task, seconds in finished.items():
        if seconds > 0:
            durations.setdefault(task.partition('/')[0], []).append(seconds)
    if winners is not None:
        finished = {task: seconds for task, seconds in finished.items() if not task.startswith('retrain/') or task in winners}
    counts = {name: (sum(task.startswith(name + '/') for task in finished), total) for name, total in totals.items()}
    return Progress(phase=phase, counts=counts, running=started, durations=durations,
                    last_error=last.get('error', '') if last.get('event') == 'failed' else '')
