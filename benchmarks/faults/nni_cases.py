"""Faults of an experiment's processes, on a real NNI manager."""

from __future__ import annotations

import time
from pathlib import Path

from hosts import PHASES, Host, kill, marked, plan_faults
from record import Row, Watch

__all__ = ['killed_trials', 'killed_dispatchers', 'killed_managers']


def killed_trials(folder: Path, undisturbed: Path, seed: int) -> Row:
    """A trial of each phase is killed."""
    plan_faults(folder / 'plan', 'kill', seed)
    with Host(folder) as host:
        end = host.until_done()
    assert end == 'DONE', end
    watch = Watch(host.work)
    for marker in marked(folder / 'plan'):
        watch.note(marker.stat().st_mtime)
    return watch.row('kill -9 of a trial, in each phase', undisturbed)


def killed_dispatchers(folder: Path, undisturbed: Path, seed: int) -> Row:
    """The dispatcher is killed in each phase."""
    return _killed(folder, undisturbed, seed, 'dispatcher', 'kill -9 of the dispatcher, in each phase')


def killed_managers(folder: Path, undisturbed: Path, seed: int) -> Row:
    """NNI's manager is killed in each phase."""
    return _killed(folder, undisturbed, seed, 'manager', "kill -9 of NNI's manager, in each phase")


def _killed(folder: Path, undisturbed: Path, seed: int, which: str, case: str) -> Row:
    plan_faults(folder / 'plan', 'wait', seed)
    with Host(folder) as host:
        watch = Watch(host.work)
        for count in range(1, len(PHASES) + 1):
            marker = host.wait(lambda: len(found := marked(folder / 'plan')) >= count and found[count - 1], 180)
            process = getattr(host, which)()
            watch.note()
            kill(process)
            marker.with_suffix('.go').touch()
            time.sleep(1)
            host.restart()
        end = host.until_done()
    assert end == 'DONE', end
    return watch.row(case, undisturbed)
