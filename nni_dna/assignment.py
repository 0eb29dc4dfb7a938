"""Make each trial do the task that its row in the web UI shows.

NNI 3.0's training services hand parameters out in the order in which trials ask for them, which need not be that of their
rows: two trials that start together often get each other's. So each face reads the rows over REST and leaves each trial
its own in the work folder, where the trial takes it up.
"""

from __future__ import annotations

import json
import logging
import threading
import time
from pathlib import Path
from typing import Any, Callable, Hashable

from .errors import ResultError
from .files import write_atomically
from .manager import Manager

__all__ = ['TrialAssigner', 'take_assignment']

Read = Callable[[dict[str, Any]], tuple[Hashable, dict[str, Any]] | None]

_logger = logging.getLogger(__name__)

_POLL = 0.5  # seconds
_PATIENCE = 120.0  # seconds that a trial waits; rows appear within seconds of a trial's start


class TrialAssigner:
    """Watches the rows of trials that were sent.

    Parameters
    ----------
    manager
        Knows the rows.
    work
        The work folder.
    read
        Takes what was sent for a trial (``parameter_id``, ``parameters``) and gives the key of its `expect` and the
        parameters that the trial is to take up; None for a trial that is not ours.
    """

    def __init__(self, manager: Manager, work: Path, read: Read):
        self._manager = manager
        self._read = read
        self._folder = work / 'trials'
        self._folder.mkdir(exist_ok=True)
        self._awaited: dict[Hashable, bool] = {}  # whether there is something to do
        self._wake = threading.Event()
        threading.Thread(target=self._watch, name='trial assigner', daemon=True).start()

    def expect(self, key: Hashable) -> None:
        """A trial with this key was sent."""
        self._awaited[key] = True
        self._wake.set()

    def supersede(self, key: Hashable) -> None:
        """A trial with this key runs, but its task is done by another trial or not wanted any more: it is to end."""
        self._awaited[key] = False
        self._wake.set()

    def _watch(self) -> None:
        experiment = ''
        while self._wake.wait():
            try:
                experiment = experiment or self._manager.experiment()['id']
                for row in self._manager.rows():
                    found = self._read(row.sent)
                    if found is not None and found[0] in self._awaited:
                        left = found[1] if self._awaited[found[0]] else None
                        write_atomically(_file(self._folder, experiment, row.trial), json.dumps(left).encode())
                        del self._awaited[found[0]]
            except Exception as error:  # the manager is busy or stopping; this thread must outlive whatever it answers
                _logger.warning('cannot assign trials yet: %s: %s', type(error).__name__, error)
            if not self._awaited:
                self._wake.clear()
                if self._awaited:  # one came in between
                    self._wake.set()
            time.sleep(_POLL)


def take_assignment(work: Path, experiment: str, trial: str) -> dict[str, Any] | None:
    """The parameters of a trial's own row; None if it is superseded and has nothing to do.

    Parameters
    ----------
    work
        The work folder.
    experiment, trial
        NNI's ids.

    Raises
    ------
    ResultError
        If none was left within two minutes.
    """
    file = _file(work / 'trials', experiment, trial)
    deadline = time.monotonic() + _PATIENCE
    while not file.is_file():
        if time.monotonic() > deadline:
            raise ResultError(f'expected the experiment to write {file} within {_PATIENCE:.0f} s; is it still running, and is '
                              'the work folder on storage that this machine shares with it?')
        time.sleep(_POLL / 2)
    found = json.loads(file.read_bytes())
    if found is None:
        _logger.info('another trial does this task, or nobody needs it any more; this one ends')
    return found


def _file(folder: Path, experiment: str, trial: str) -> Path:
    return folder / f'{experiment}.{trial}.json'
