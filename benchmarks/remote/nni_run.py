"""An NNI experiment that another process runs: started with nnictl, watched over REST, stopped."""

from __future__ import annotations

import json
import os
import re
import socket
import subprocess
import sys
import time
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Callable

import requests
import yaml

__all__ = ['Run', 'make_config', 'run_experiment']

ROOT = Path(__file__).resolve().parent.parent.parent
EXAMPLE = ROOT / 'examples' / 'digits' / 'config.yml'
NNICTL = str(Path(sys.executable).parent / 'nnictl')


@dataclass(kw_only=True)
class Run:
    """What an experiment did.

    Attributes
    ----------
    status
        NNI's, at the end.
    seconds
        By NNI's clock, which runs from the first trial to the end.
    work
        The work folder.
    trials
        Per trial its ``task``, ``status``, ``machine`` (NNI's name of the worker), ``start`` and ``end`` (seconds since the
        epoch; None where it never began).
    """

    status: str
    seconds: float
    work: Path
    trials: list[dict[str, Any]] = field(default_factory=list)

    def count(self, status: str) -> int:
        """How many trials have a status."""
        return sum(trial['status'] == status for trial in self.trials)


def make_config(folder: Path, service: dict[str, Any], seed: int, epochs: int | None = None) -> dict[str, Any]:
    """The digits example's config with another training service; all that it writes is below a folder.

    Parameters
    ----------
    folder
        For the work folder and what NNI writes.
    service
        NNI's ``trainingService``.
    seed
        The experiment's.
    epochs
        Of each phase; as in the example if None.
    """
    config = yaml.safe_load(EXAMPLE.read_text())
    settings = config['tuner']['classArgs']
    settings.update(seed=seed, work=str(folder / 'work'))
    for section in ('teacher', 'distill', 'retrain') if epochs else ():
        settings[section]['epochs'] = epochs
    return {**config, 'searchSpaceFile': str((EXAMPLE.parent / config['searchSpaceFile']).resolve()),
            'trainingService': service, 'nniManagerIp': '127.0.0.1', 'experimentWorkingDirectory': str(folder / 'nni')}


def run_experiment(config: dict[str, Any], folder: Path, watch: Callable[[list[dict[str, Any]]], None] = lambda trials: None,
                   patience: float = 3600) -> Run:
    """Run an experiment to its end.

    Parameters
    ----------
    config
        Of NNI.
    folder
        For its YAML file, alone in a folder that NNI copies to the machines, and for the manager's home.
    watch
        Called each second with the trials so far.
    patience
        Seconds after which the experiment is stopped, as it is.
    """
    code, home = folder / 'code', folder / 'home'
    code.mkdir(parents=True)
    home.mkdir()
    (code / 'config.yml').write_text(yaml.safe_dump(config))
    with socket.socket() as connection:
        connection.bind(('127.0.0.1', 0))
        port = connection.getsockname()[1]
    environment = {**os.environ, 'HOME': str(home), 'PYTHONPATH': str(ROOT)}
    created = subprocess.run([NNICTL, 'create', '--config', str(code / 'config.yml'), '--port', str(port)], env=environment,
                             stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, timeout=120)
    experiment = re.search(r'Experiment ID: (\w+)', re.sub(r'\x1b\[\d+m', '', created.stdout))
    api = f'http://127.0.0.1:{port}/api/v1/nni'
    try:
        if created.returncode or experiment is None:
            sys.exit(f'nnictl create failed:\n{created.stdout}')
        return _watched(api, Path(config['tuner']['classArgs']['work']), watch, time.monotonic() + patience)
    finally:
        if experiment is not None:
            subprocess.run([NNICTL, 'stop', experiment[1]], env=environment, stdout=subprocess.DEVNULL, timeout=120)
            while _listens(port):  # nnictl only asks it to
                time.sleep(0.2)


def _listens(port: int) -> bool:
    with socket.socket() as connection:
        return connection.connect_ex(('127.0.0.1', port)) == 0


def _watched(api: str, work: Path, watch: Callable[[list[dict[str, Any]]], None], deadline: float) -> Run:
    while True:
        status = requests.get(f'{api}/check-status', timeout=60).json()
        trials = [_trial(row) for row in requests.get(f'{api}/trial-jobs', timeout=60).json()]
        ended = status['status'] in ('DONE', 'ERROR', 'STOPPED')
        if ended or time.monotonic() > deadline:
            for error in status['errors']:
                print(error, file=sys.stderr)
            seconds = requests.get(f'{api}/experiment', timeout=60).json()['execDuration']
            return Run(status=status['status'], seconds=seconds, work=work, trials=trials)
        watch(trials)
        time.sleep(1)


def _trial(row: dict[str, Any]) -> dict[str, Any]:
    sent = json.loads(row['hyperParameters'][0])['parameters'] if row.get('hyperParameters') else {}
    machine = re.search(r'environments/([^/]+)', row.get('logPath') or '')
    return {'id': row['trialJobId'], 'task': sent.get('task', ''), 'status': row['status'],
            'machine': machine[1] if machine else '',
            'start': _seconds(row.get('startTime')), 'end': _seconds(row.get('endTime'))}


def _seconds(milliseconds: float | None) -> float | None:
    return None if milliseconds is None else milliseconds / 1000
