"""Trials that do not get on: the experiment cancels a trial that leaves no mark (`marks`) for too long."""

from __future__ import annotations

import logging
import threading
import time
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Callable

from .marks import START, mark_file

if TYPE_CHECKING:
    from .assignment import Read
    from .campaign.campaign import Campaign
    from .manager import Manager

__all__ = ['Patience', 'StallWatch', 'watch_for_stalls']

_logger = logging.getLogger(__name__)

_FIRST = 10  # times as long may pass before a trial's first step: it imports, reads its data and may compile


class Patience:
    """How long something has shown no progress.

    Parameters
    ----------
    seconds
        The most that may pass between two marks, and a tenth of what may pass before the first step.
    """

    def __init__(self, seconds: float):
        self._limit = seconds
        self._last: str | None = None
        self._changes = -1
        self._idle = 0.0

    def is_over(self, found: str, passed: float) -> bool:
        """Take note of a mark.

        Parameters
        ----------
        found
            What the file holds; empty where there is none.
        passed
            Seconds since the last call.
        """
        if found != self._last:
            self._last, self._idle = found, 0.0
            self._changes += 1
        else:
            self._idle += passed
        stepped = self._changes > 0 and not found.endswith(START)  # what was there before is another trial's
        return self._idle > self._limit * (1 if stepped else _FIRST)


def watch_for_stalls(manager: Manager, campaign: Campaign, read: Read) -> None:
    """Cancel trials of a campaign that show no progress, if its settings ask for that."""
    minutes = campaign.setup.settings.stall_minutes
    if minutes is not None:
        StallWatch(manager, campaign.work.root, minutes, read, campaign.work.write_error).start()


@dataclass(frozen=True)
class _Trial:
    task: str
    patience: Patience


class StallWatch:
    """Cancels trials that show no progress, from a thread of its own; the campaign then does their tasks again.

    Parameters
    ----------
    manager
        Knows the rows, and cancels.
    work
        The work folder.
    minutes
        The setting ``stall_minutes``.
    read
        As `TrialAssigner` takes it.
    on_stall
        Told of a task and what is wrong, before its trial is cancelled.
    """

    def __init__(self, manager: Manager, work: Path, minutes: float,
                 read: Read, on_stall: Callable[[str, str], None]):
        self._manager, self._work, self._minutes, self._read, self._on_stall = manager, work, minutes, read, on_stall
        self._trials: dict[str, _Trial] = {}
        self._poll = min(30.0, max(0.5, 6 * minutes))  # seconds

    def start(self) -> None:
        """Begin."""
        threading.Thread(target=self._watch, name='stall watch', daemon=True).start()

    def _watch(self) -> None:
        last = time.monotonic()
        while True:
            time.sleep(self._poll)
            now = time.monotonic()
            try:
                self.look(min(now - last, 2 * self._poll))  # a machine that slept has not waited for anything
            except Exception as error:  # the manager is busy or stopping; this thread must outlive whatever it answers
                _logger.warning('cannot see whether trials get on: %s: %s', type(error).__name__, error)
            last = now

    def look(self, passed: float) -> None:
        """Cancel what has shown no progress for too long.

        Parameters
        ----------
        passed
            Seconds since the last look.
        """
        running = {}
        for row in self._manager.rows():
            found = self._read(row.sent) if row.status == 'RUNNING' else None
            if found is not None:
                running[row.trial] = self._trials.get(row.trial) or _Trial(found[1]['task'], Patience(60 * self._minutes))
        self._trials = running
        for trial, known in list(running.items()):
            file = mark_file(self._work, known.task)
            if known.patience.is_over(file.read_text() if file.is_file() else '', passed):
                del self._trials[trial]
                text = (f'stall_minutes: expected a step of {known.task} within {self._minutes:g} minutes, got none, so trial '
                        f'{trial} was cancelled; raise stall_minutes if steps take longer, else see what it waits for')
                _logger.warning(text)
                self._on_stall(known.task, f'StalledError: {text}')
                self._manager.cancel(trial)
