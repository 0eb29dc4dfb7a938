"""The process of a NasExperiment is killed, on both of NNI's engines."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
import uuid
from pathlib import Path

from experiment import stop
from hosts import PHASES, PLAN, marked, plan_faults
from ports import free_port
from record import Row, Watch

__all__ = ['killed_nas_experiments']

_SCRIPT = Path(__file__).resolve().parent / 'nas_script.py'


def killed_nas_experiments(folder: Path, undisturbed: Path, seed: int) -> list[Row]:
    """In each phase; the undisturbed experiment is one of its own, since the evaluator trains."""
    own = folder / 'undisturbed' / 'work'
    own.parent.mkdir(parents=True)
    os.environ.pop(PLAN, None)
    assert _start('sequential', own, _name()).wait(600) == 0
    return [_sequential(folder / 'sequential', own, seed), _training_service(folder / 'ts', own, seed)]


def _name() -> str:
    return f'dna{uuid.uuid4().hex[:8]}'


def _start(engine: str, work: Path, name: str, action: str = 'run', port: int = 0) -> subprocess.Popen:
    log = (work.parent / 'script.log').open('a')
    words = [sys.executable, '-W', 'ignore', str(_SCRIPT), engine, str(work), str(port or free_port()), name, action]
    return subprocess.Popen(words, cwd=_SCRIPT.parent, stdout=log, stderr=subprocess.STDOUT)


def _sequential(folder: Path, undisturbed: Path, seed: int) -> Row:
    """Tasks run in the script, which is started again."""
    plan_faults(folder / 'plan', 'kill', seed)
    work, code = folder / 'work', -signal.SIGKILL
    while code != 0:
        code = _start('sequential', work, _name()).wait(600)
        assert code in (0, -signal.SIGKILL), (folder / 'script.log').read_text()[-3000:]
    watch = Watch(work)
    for marker in marked(folder / 'plan'):
        watch.note(marker.stat().st_mtime)
    return watch.row('kill -9 of a NasExperiment, each phase', undisturbed)


def _training_service(folder: Path, undisturbed: Path, seed: int) -> Row:
    """Tasks run in trials, whose manager lives on; ``nnictl stop``, then `resume` of a script started again."""
    plan_faults(folder / 'plan', 'wait', seed)
    work, name, port = folder / 'work', _name(), free_port()
    watch, script = Watch(work), _start('ts', work, name, port=port)
    for count in range(1, len(PHASES) + 1):
        deadline = time.monotonic() + 300
        while len(marked(folder / 'plan')) < count:
            assert script.poll() is None and time.monotonic() < deadline, (folder / 'script.log').read_text()[-3000:]
            time.sleep(0.2)
        watch.note()
        script.kill()
        script.wait()
        marked(folder / 'plan')[count - 1].with_suffix('.go').touch()
        stop(name, port)
        script = _start('ts', work, name, 'resume', port)
    assert script.wait(600) == 0, (folder / 'script.log').read_text()[-3000:]
    return watch.row("the same on the engine 'ts', each phase", undisturbed)
