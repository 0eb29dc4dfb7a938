"""Start, watch and stop a real NNI experiment from a test, as a user would: ``nnictl`` and the manager's REST interface."""

from __future__ import annotations

import json
import re
import subprocess
import sys
import time
from pathlib import Path

import psutil
import requests
import yaml
from ports import free_port, is_free

_NNICTL = str(Path(sys.executable).parent / 'nnictl')


class NniExperiment:
    """An experiment of its own in a folder of its own; stopped at the end of the ``with`` block."""

    def __init__(self, folder: Path, config: dict):
        self.folder = folder
        python = f'{sys.executable} -m nni_dna.trial'
        config = {'experimentWorkingDirectory': str(folder / 'nni'), 'trialCommand': python, 'trialConcurrency': 2,
                  'trainingService': {'platform': 'local'}, **config}
        self.config = folder / 'config.yml'
        self.config.write_text(yaml.safe_dump(config))
        self.port = free_port()
        self.id = ''

    def __enter__(self) -> NniExperiment:
        output = _nnictl('create', '--config', str(self.config), '--port', str(self.port))
        self.id = re.search(r'Experiment ID: \S*?(\w{8})\b', re.sub(r'\x1b\[\d+m', '', output)).group(1)
        return self

    def __exit__(self, *_) -> None:
        self.stop()

    def stop(self) -> None:
        stop(self.id, self.port)

    def resume(self) -> None:
        _nnictl('resume', self.id, '--port', str(self.port), '--experiment_dir', str(self.folder / 'nni'))

    def get(self, path: str):
        return requests.get(f'http://localhost:{self.port}/api/v1/nni{path}', timeout=20).json()

    def status(self) -> str:
        return self.get('/check-status')['status']

    def trials(self) -> list[dict]:
        """The rows of the web UI: state, parameters, final metric."""
        rows = []
        for row in self.get('/trial-jobs'):
            final = row.get('finalMetricData')
            rows.append({'id': row['trialJobId'], 'state': row['status'],
                         'parameters': json.loads(row['hyperParameters'][0])['parameters'],
                         'parameter_id': json.loads(row['hyperParameters'][0])['parameter_id'],
                         'final': json.loads(json.loads(final[0]['data'])) if final else None})
        return rows

    def wait(self, condition, seconds: float):
        """Wait until ``condition()`` is true and return its value."""
        deadline = time.monotonic() + seconds
        while time.monotonic() < deadline:
            value = condition()
            if value:
                return value
            time.sleep(0.2)
        raise AssertionError(f'nothing came within {seconds} s; status {self.status()}; log:\n{self.log("dispatcher")}')

    def wait_until_ended(self, seconds: float) -> str:
        return self.wait(lambda: self.status() in ('DONE', 'ERROR') and self.status(), seconds)

    def log(self, name: str) -> str:
        file = self.folder / 'nni' / self.id / 'log' / f'{name}.log'
        return file.read_text() if file.is_file() else ''

    def running(self) -> dict[str, psutil.Process]:
        """Trial id to process, for trials at work."""
        found = {}
        for process in psutil.process_iter():
            try:
                trial = process.environ().get('NNI_TRIAL_JOB_ID')
                if trial and process.environ().get('NNI_EXP_ID') == self.id and 'nni_dna.trial' in process.cmdline():
                    if not any(child.cmdline()[-1:] == ['nni_dna.trial'] for child in process.children()):
                        found[trial] = process
            except (psutil.NoSuchProcess, psutil.AccessDenied):
                pass
        return found


def stop(name: str, port: int) -> None:
    """Stop an experiment, and wait until its manager has left the port."""
    _nnictl('stop', name)
    deadline = time.monotonic() + 60
    while time.monotonic() < deadline and not is_free(port):
        time.sleep(0.2)


def _nnictl(*arguments: str) -> str:
    done = subprocess.run([_NNICTL, *arguments], stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, timeout=120)
    assert done.returncode == 0, done.stdout
    return done.stdout
