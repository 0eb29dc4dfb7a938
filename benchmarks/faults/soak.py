"""A campaign of many trials, of whose processes one is killed every few seconds."""

from __future__ import annotations

import random
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import psutil
from hosts import Host, kill, run_undisturbed
from record import Watch, events, outcome

__all__ = ['soak']

MANY = {'distill': {'epochs': 2}, 'teacher': {'epochs': 2}, 'retrain': {'epochs': 2}, 'retries': 1000}
_QUICK = Path(__file__).resolve().parent / 'quick.py'
_SHARES = {'trial': 0.84, 'dispatcher': 0.08, 'manager': 0.08}


def soak(folder: Path, seconds: float, tasks: int, seed: int) -> dict[str, Any]:
    """Run it, with ``nnictl stop`` and ``nnictl resume`` after each death of the dispatcher or the manager.

    Parameters
    ----------
    folder
        For all its files.
    seconds
        Mean time between two kills.
    tasks
        How many there are: the teacher, a quarter of cells, and winners.
    seed
        Of when who is killed.

    Returns
    -------
    dict
        Kills survived by kind, trials, tasks, tasks lost, and whether all tables and the ranking are the undisturbed run's.
    """
    folder.mkdir(parents=True)
    cells = tasks // 8
    changes = {**MANY, 'space': {'name': 'faulty.Many', 'args': {'cells': cells}}, 'search': {'top_k': tasks - 2 * cells - 1}}
    undisturbed = run_undisturbed(folder / 'undisturbed', **changes)
    pool = folder / 'pool'
    server = subprocess.Popen([sys.executable, str(_QUICK), 'serve', str(pool)])
    try:
        return _soak(folder, seconds, seed, changes, undisturbed, pool)
    finally:
        server.kill()


def _soak(folder: Path, seconds: float, seed: int, changes: dict[str, Any], undisturbed: Path, pool: Path) -> dict[str, Any]:
    rng, kills, errors, begun = random.Random(seed), dict.fromkeys(_SHARES, 0), 0, time.monotonic()
    with Host(folder / 'soak', command=f'{sys.executable} -S -E {_QUICK} {pool}', **changes) as host:
        watch = Watch(host.work)
        while (state := host.state()) != 'DONE':
            if state == 'ERROR':  # which no kill explains
                errors += 1
                assert errors < 5, host.log('nnimanager')[-5000:]
                host.restart()
            time.sleep(rng.uniform(0.5, 1.5) * seconds)
            victim = rng.choices(list(_SHARES), list(_SHARES.values()))[0]
            trials = _running(pool) if victim == 'trial' else []
            process = rng.choice(trials) if trials else getattr(host, victim)() if victim != 'trial' else None
            if process is None or host.state() == 'DONE':
                continue
            watch.note()
            kill(process)
            kills[victim] += 1
            if victim != 'trial':
                opened = _opened(host)
                host.restart()
                host.wait(lambda: _opened(host) > opened or host.state() in ('DONE', 'ERROR'), 120)
            done = sum(event['event'] == 'finished' for event in events(host.work))
            print(f'{time.monotonic() - begun:7.0f} s  {victim} killed; kills {sum(kills.values())}, finished {done}', flush=True)
    row = watch.row('soak', undisturbed)
    started = [event['task'] for event in events(host.work) if event['event'] == 'started']
    found = {'kills': kills, 'tasks': len(outcome(host.work)['ranking']) + len(outcome(host.work)['tables']) + 1,
             'trials': len(started), 'repeated': row.repeated, 'lost': row.lost, 'equal': row.equal, 'errors': errors,
             'seconds': round(time.monotonic() - begun)}
    print(f'soak: {sum(kills.values())} kills survived {kills}, {found["tasks"]} tasks, {found["trials"]} trials, '
          f'lost {row.lost}, equal {"yes" if row.equal else "NO"}, {found["seconds"]} s', flush=True)
    return found


def _opened(host: Host) -> int:
    """How often a dispatcher has taken the work folder."""
    return sum(event['event'] == 'opened' for event in events(host.work))


def _running(pool: Path) -> list[psutil.Process]:
    """The processes of trials at work, in a certain order."""
    found = []
    for file in sorted(pool.parent.glob(f'{pool.name}.*')):
        try:
            process = psutil.Process(int(file.read_text() or 0))
            if 'serve' in process.cmdline() and process.status() != psutil.STATUS_ZOMBIE:
                found.append(process)
            else:
                file.unlink()
        except psutil.NoSuchProcess:
            file.unlink()
    return found
