"""Faults of an experiment's processes, on a real NNI manager."""

from __future__ import annotations

import time
from pathlib import Path
from typing import Any

from hosts import PHASES, Host, kill, marked, plan_faults
from record import Row, Watch

__all__ = ['killed_trials', 'killed_dispatchers', 'killed_managers', 'hanging_trials', 'bad_numbers', 'short_memory',
           'two_experiments']


def killed_trials(folder: Path, undisturbed: Path, seed: int) -> Row:
    """A trial of each phase is killed."""
    plan_faults(folder / 'plan', 'kill', seed)
    return _by_itself(folder, undisturbed, 'kill -9 of a trial, in each phase')


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


def hanging_trials(folder: Path, undisturbed: Path, seed: int) -> list[Row]:
    """A trial of each phase stops for ever: once asleep, once with SIGSTOP, which ends no process by itself."""
    rows = []
    for action, said in [('hang', 'a trial hangs'), ('freeze', 'a trial is frozen (SIGSTOP)')]:
        plan_faults(folder / action / 'plan', action, seed)
        rows.append(_by_itself(folder / action, undisturbed, f'{said}, in each phase', stall_minutes=0.2))
    return rows


def bad_numbers(folder: Path, undisturbed: Path, seed: int) -> list[Row]:
    """Feature maps become NaN or infinite: once, in the teacher's training and in the distillation, or always."""
    rows = []
    for action in ('nan', 'inf'):
        plan_faults(folder / action / 'plan', action, seed, ('teacher', 'distill'))
        rows.append(_by_itself(folder / action, undisturbed, f'a loss of {action}, once'))
    plan_faults(folder / 'always' / 'plan', 'nan', seed, ['distill'], always=True)
    with Host(folder / 'always') as host:
        watch = Watch(host.work)
        assert host.until_done() == 'ERROR'
        watch.note()
        assert 'lower distill.lr' in host.log('nnimanager'), host.log('nnimanager')[-3000:]
        watch.ends.append('ERROR')
        plan_faults(folder / 'always' / 'plan', 'nan', seed, [])
        host.restart()
        assert host.until_done() == 'DONE'
    return [*rows, watch.row('a loss of nan, until the cause is mended', undisturbed)]


def short_memory(folder: Path, undisturbed: Path, seed: int) -> Row:
    """An allocation fails in a trial of each phase."""
    plan_faults(folder / 'plan', 'memory', seed)
    return _by_itself(folder, undisturbed, 'out of memory in a trial, in each phase')


def two_experiments(folder: Path, undisturbed: Path, seed: int) -> Row:
    """A second experiment on the folder of one that runs; then a third, once all processes of the first are dead."""
    plan_faults(folder / 'plan', 'wait', seed, ['distill'])
    with Host(folder / 'first') as first:
        watch = Watch(first.work)
        marker = first.wait(lambda: marked(folder / 'plan'), 180)[0]
        with Host(folder / 'second', work=first.work) as second:
            watch.note()
            assert second.until_done() == 'ERROR'
            assert 'another experiment is running' in second.log('nnimanager')
            watch.ends.append('second refused')
        watch.note()
        for process in [first.dispatcher(), first.manager()]:
            kill(process)
        marker.with_suffix('.go').touch()
        with Host(folder / 'third', work=first.work) as third:
            assert third.until_done() == 'DONE', third.log('nnimanager')[-3000:]
    return watch.row('two experiments on one folder', undisturbed)


def _by_itself(folder: Path, undisturbed: Path, case: str, **changes: Any) -> Row:
    """Faults of trials, of which the user need not know."""
    with Host(folder, **changes) as host:
        end = host.until_done()
    assert end == 'DONE', end
    watch = Watch(host.work)
    for marker in marked(folder / 'plan'):
        watch.note(marker.stat().st_mtime)
    return watch.row(case, undisturbed)
