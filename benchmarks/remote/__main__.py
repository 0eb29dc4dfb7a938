"""The digits experiment on NNI's remote service: two machines over SSH, and what becomes of it when a trial or a machine dies.

The machines are two private SSH servers on loopback addresses of this one (`machines.py`), with homes of their own; only the work
folder is shared. The same experiment runs on the local service first. All must end as DONE, with the same ratings to the last bit
and the same ranking. `--kill trial` kills a trial of the distillation on the second machine (kill -9); `--kill machine` kills all
that this machine runs, the SSH server too, for good.

    python benchmarks/remote --out benchmarks/data/remote.json
    python benchmarks/remote --kill trial machine
"""

from __future__ import annotations

import argparse
import json
import os
import platform
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

import numpy as np

from machines import Machine
from nni_run import ROOT, Run, make_config, run_experiment

HOSTS = '127.0.0.1', '127.0.0.2'
"""All of 127.x.x.x is this machine."""

SETTLED = 3.0
"""Seconds for which a trial has run before it is killed."""


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument('--kill', choices=['nothing', 'trial', 'machine'], nargs='+', default=['nothing'],
                        help='a remote run for each')
    parser.add_argument('--epochs', type=int, help='of every phase, in place of the example\'s')
    parser.add_argument('--seed', type=int, default=0)
    parser.add_argument('--reuse', action='store_true', help="the service's reuseMode")
    parser.add_argument('--keep', type=Path, help='a new folder for everything, which stays; without it nothing stays')
    parser.add_argument('--out', type=Path, help='JSON file of the results')
    arguments = parser.parse_args()
    if arguments.keep:
        arguments.keep.mkdir(parents=True)
    with tempfile.TemporaryDirectory() as temporary:
        folder = (arguments.keep or Path(temporary)).resolve()
        config = make_config(folder / 'local', {'platform': 'local'}, arguments.seed, arguments.epochs)
        local = run_experiment(config, folder / 'local')
        runs = {'local': describe(local, local)}
        print(line('', None), line('local', runs['local']), sep='\n', flush=True)
        for kill in arguments.kill:
            name = 'remote' if kill == 'nothing' else f'remote, a {kill} killed'
            run, killed = on_machines(folder / f'remote-{kill}', kill, arguments)
            runs[name] = {**describe(run, local), 'killed': killed}
            print(line(name, runs[name]), flush=True)
            if arguments.out:  # each time, since a run takes minutes
                arguments.out.write_text(json.dumps({
                    'command': ' '.join(['python', *sys.argv]), 'python': platform.python_version(), 'load': os.getloadavg(),
                    'runs': runs}, indent=2) + '\n')
    if not all(run['status'] == 'DONE' and run['same_ratings'] and run['same_ranking'] for run in runs.values()):
        sys.exit('not every run ended as DONE with the results of the local one')


def on_machines(folder: Path, kill: str, arguments: argparse.Namespace) -> tuple[Run, dict[str, Any] | None]:
    """Run the experiment on two machines, and kill what is to be killed; the run, and what was killed when."""
    machines: list[Machine] = []
    killed: dict[str, Any] = {}

    def watch(trials: list[dict[str, Any]]) -> None:
        victim = next((trial for trial in trials if trial['task'].startswith('distill/') and trial['status'] == 'RUNNING'
                       and trial['machine'].endswith('worker2') and time.time() - trial['start'] > SETTLED), None)
        if kill == 'nothing' or killed or victim is None:
            return
        if kill == 'machine':
            machines[1].kill()
        elif not machines[1].kill_trials():
            return
        killed.update(task=victim['task'], trial=victim['id'], time=time.time())

    try:
        for number, host in enumerate(HOSTS, start=1):
            # What a machine would have installed: this package and NNI. NNI has pip upgrade itself on every machine; no network.
            machines.append(Machine(f'{os.getpid()}-{kill}-{number}', host, folder / f'machine{number}',
                                    {'PYTHONPATH': str(ROOT), 'PIP_NO_INDEX': '1'}))
        service = {'platform': 'remote', 'reuseMode': arguments.reuse,
                   'machineList': [machine.settings() for machine in machines]}
        run = run_experiment(make_config(folder, service, arguments.seed, arguments.epochs), folder, watch)
    finally:
        for machine in machines:
            machine.kill()
    return run, killed or None


def describe(run: Run, local: Run) -> dict[str, Any]:
    """A run's facts, compared with the local one."""
    return {'status': run.status, 'seconds': run.seconds, 'same_ratings': ratings(run.work) == ratings(local.work),
            'same_ranking': ranking(run.work) == ranking(local.work), 'trials': run.trials}


def ratings(work: Path) -> dict[str, bytes]:
    """All ratings of a work folder, to the bit, by file."""
    return {str(file.relative_to(work)): np.load(file)['ratings'].tobytes() for file in work.rglob('ratings.npz')}


def ranking(work: Path) -> Any:
    """The ranking with its architectures, ratings, costs and accuracies; None if there is none."""
    file = work / 'ranking.json'
    return json.loads(file.read_bytes())['ranking'] if file.is_file() else None


def line(name: str, run: dict[str, Any] | None) -> str:
    """A row of the table; its head if there is no run."""
    if run is None:
        return (f'{"run":26}{"status":8}{"s":>6}{"succeeded":>11}{"failed":>8}{"cancelled":>11}{"machine 1":>11}{"machine 2":>11}'
                f'{"ratings":>9}{"ranking":>9}')
    statuses = [trial['status'] for trial in run['trials']]
    places = [sum(trial['machine'].endswith(f'worker{number}') for trial in run['trials']) for number in (1, 2)]
    same = ['same' if run[key] else 'other' for key in ('same_ratings', 'same_ranking')]
    return (f'{name:26}{run["status"]:8}{run["seconds"]:6.0f}{statuses.count("SUCCEEDED"):11}{statuses.count("FAILED"):8}'
            f'{statuses.count("USER_CANCELED"):11}{places[0]:11}{places[1]:11}{same[0]:>9}{same[1]:>9}')


if __name__ == '__main__':
    main()
