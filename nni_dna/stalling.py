"""Whether tasks get on: a trial leaves marks in the work folder while it does, and the experiment cancels one that does not.

No clock is compared with another: a mark only has to differ from the one before.
"""

from __future__ import annotations

import logging
import threading
import time
import uuid
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Callable, Iterator

from .files import writing

if TYPE_CHECKING:
    from .assignment import Read
    from .campaign.campaign import Campaign
    from .manager import Manager

__all__ = ['mark', 'marking', 'mark_file', 'Patience', 'StallWatch', 'watch_for_stalls']

_logger = logging.getLogger(__name__)

_APART = 1.0  # seconds between the marks of a trial, at the least
_FIRST = 10  # times as long may pass before a trial's first step: it imports, reads its data and may compile
_START = ' 0'  # how the mark of a trial's start ends
_current: Callable[[], None] | None = None


def mark() -> None:
    """The task that this process does, if any, has got on by a step."""
    if _current is not None:
        _current()


@contextmanager
def marking(file: Path) -> Iterator[None]:
    """Let `mark` write to a file in here; the first mark is that of the start."""
    global _current
    name, count, last = uuid.uuid4().hex, 0, -_APART

    def write() -> None:
        nonlocal count, last
        if time.monotonic() - last >= _APART or count == 1:
            with writing(file):
                file.write_text(f'{name} {count}')
            count, last = count + 1, time.monotonic()

    before, _current = _current, write
    try:
        write()
        yield
    finally:
        _current = before


def mark_file(work: Path, task_id: str) -> Path:
    """Where the marks of a task are."""
    return work / task_id / 'progress.txt'


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
        stepped = self._changes > 0 and not found.endswith(_START)  # what was there before is another trial's
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
