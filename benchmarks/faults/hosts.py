"""A real NNI experiment whose processes are killed, and what its user then does."""

from __future__ import annotations

import json
import os
import random
import signal
import sys
import time
from pathlib import Path
from typing import Any, Callable, Sequence

import psutil
import requests

ROOT = Path(__file__).resolve().parents[2]
sys.path[:0] = [str(ROOT), str(ROOT / 'tests'), str(ROOT / 'tests' / 'nni_host')]
os.environ['PYTHONPATH'] = os.pathsep.join(filter(None, [str(ROOT), str(ROOT / 'tests'), os.environ.get('PYTHONPATH')]))

import toys  # noqa: E402
from experiment import NniExperiment  # noqa: E402
from faulty import PLAN, forget  # noqa: E402

from nni_dna.campaign.campaign import Campaign  # noqa: E402
from nni_dna.campaign.config import ConfigSetup  # noqa: E402
from nni_dna.phases import run_campaign  # noqa: E402
from nni_dna.settings import read_settings  # noqa: E402

__all__ = ['PHASES', 'Host', 'settings', 'run_undisturbed', 'plan_faults', 'marked', 'kill']

PHASES = ('teacher', 'distill', 'rate', 'retrain')
# Images that the phase has read before a fault; a training of winners has a checkpoint by then.
_AFTER = {'teacher': (0, 100), 'distill': (0, 600), 'rate': (0, 20), 'retrain': (70, 200)}


def settings(work: Path, **changes: Any) -> dict[str, Any]:
    """``classArgs`` of the toy campaign: a teacher, four cells, two winners."""
    own = {'data': {'name': 'faulty.images'}, 'teacher': {'name': 'faulty.Teacher', 'epochs': 4},
           'space': {'name': 'faulty.Space'}, 'distill': {'epochs': 20}, 'retrain': {'epochs': 4}}
    for key, value in changes.items():
        own[key] = {**own.get(key, {}), **value} if isinstance(value, dict) else value
    return toys.settings(work, **own)


def plan_faults(folder: Path, action: str, seed: int, phases: Sequence[str] = PHASES, always: bool = False) -> None:
    """Write the plan for trials that are started from now on: a fault in each of these phases, at an image that the seed chooses.

    Each happens once, or, if always, in every trial of the phase.
    """
    rng = random.Random(seed)
    faults = [{'id': f'{phase}-{action}', 'phase': phase, 'action': action, 'after': rng.randrange(*_AFTER[phase]),
               'always': always} for phase in phases]
    forget()
    folder.mkdir(parents=True, exist_ok=True)
    (folder / 'plan.json').write_text(json.dumps(faults))
    os.environ[PLAN] = str(folder)


def run_undisturbed(work: Path, **changes: Any) -> Path:
    """The work folder of the same campaign, run in this process without a fault."""
    os.environ.pop(PLAN, None)
    settings_ = read_settings(settings(work, **changes), work.parent)
    run_campaign(Campaign(ConfigSetup(settings_, {}), Path(__file__).resolve().parent))
    return work


def marked(folder: Path) -> list[Path]:
    """The faults that have come, in their order."""
    found = [file for file in folder.iterdir() if not file.suffix]  # not the plan, nor what lets a process go on
    return sorted(found, key=lambda file: file.stat().st_mtime_ns)


def kill(process: psutil.Process) -> None:
    """kill -9."""
    try:
        process.send_signal(signal.SIGKILL)
        process.wait(10)
    except psutil.NoSuchProcess:
        pass


class Host(NniExperiment):
    """An experiment on a real manager.

    Parameters
    ----------
    folder
        For the YAML file, NNI's files and the work folder.
    trials
        At the same time.
    work
        The work folder, where it is another one.
    command
        That starts a trial, where it is another one.
    **changes
        To the settings.
    """

    def __init__(self, folder: Path, trials: int = 2, work: Path | None = None, command: str = '', **changes: Any):
        folder.mkdir(parents=True, exist_ok=True)
        self.work = work or folder / 'work'
        here = str(Path(__file__).resolve().parent)
        super().__init__(folder, {
            'searchSpace': {}, 'trialCodeDirectory': here, 'trialConcurrency': trials,
            **({'trialCommand': command} if command else {}), 'tuner': {
                'className': 'nni_dna.DNAAdvisor', 'codeDirectory': here,
                'classArgs': settings(self.work, **changes)}})

    def __enter__(self) -> Host:
        _patiently(super().__enter__)
        return self

    def manager(self) -> psutil.Process | None:
        """Node's process."""
        for process in psutil.process_iter(['cmdline']):
            words = process.info['cmdline'] or []
            if any(word.endswith('nni_node/main.js') for word in words) and str(self.port) in words:
                return process
        return None

    def dispatcher(self) -> psutil.Process | None:
        """The advisor's process."""
        manager = self.manager()
        for process in manager.children(recursive=True) if manager else ():
            try:
                if '--exp_params' in process.cmdline():
                    return process
            except psutil.Error:
                pass
        return None

    def state(self) -> str:
        """The experiment's status; nothing where the manager does not answer."""
        try:
            return self.status()
        except requests.RequestException:
            return ''

    def restart(self) -> None:
        """What a user does once a process of NNI's is gone: ``nnictl stop`` and ``nnictl resume``."""
        self.stop()
        _patiently(self.resume)

    def until_done(self, seconds: float = 600) -> str:
        """Wait until the experiment has ended, and say how."""
        deadline = time.monotonic() + seconds
        while time.monotonic() < deadline:
            if (state := self.state()) in ('DONE', 'ERROR'):
                return state
            time.sleep(0.3)
        raise AssertionError(f'{self.folder}: not ended within {seconds} s; status {self.state()!r}')


def _patiently(call: Callable[[], Any]) -> None:
    """nnictl gives up on a manager that needs more than three seconds, as on a busy machine."""
    for patience in range(1, 6):
        try:
            call()
            return
        except AssertionError:
            time.sleep(5 * patience)
    raise AssertionError('nnictl failed five times')
