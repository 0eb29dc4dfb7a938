"""DNA in a NasExperiment, on both of NNI's engines, as a script of its own; killed and started again."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
import uuid
from pathlib import Path

import numpy as np
import pytest
import requests
from experiment import stop
from ports import free_port
from work_files import events, ranking

TESTS = Path(__file__).parent.parent
pytestmark = pytest.mark.slow


class Script:
    """The user's script as a process; what it prints is kept."""

    def __init__(self, engine, work, name, action='run', epochs=2, port=None):
        self.name, self.port = name, port or free_port()
        self.log = work.parent / f'{name}-{action}.log'
        with self.log.open('w') as log:
            self.process = subprocess.Popen(
                [sys.executable, str(TESTS / 'nni_host' / 'nas_script.py'), engine, str(work), str(self.port), name, action,
                 str(epochs)], cwd=TESTS, stdout=log, stderr=subprocess.STDOUT, env={**os.environ, 'OMP_NUM_THREADS': '1'})

    def printed(self, word):
        assert self.process.wait(300) == 0, self.log.read_text()
        line = next(line for line in self.log.read_text().splitlines() if line.startswith(word))
        return json.loads(line.removeprefix(word))

    def rows(self):
        """The trials that NNI's manager lists."""
        try:
            return requests.get(f'http://localhost:{self.port}/api/v1/nni/trial-jobs', timeout=20).json()
        except requests.RequestException:  # it is not ready yet
            return []

    def kill_when(self, condition, seconds=180):
        """SIGKILL as soon as a condition holds."""
        deadline = time.monotonic() + seconds
        try:
            while not condition():
                assert self.process.poll() is None and time.monotonic() < deadline, self.log.read_text()
                time.sleep(0.05)
        finally:
            self.process.send_signal(signal.SIGKILL)
            self.process.wait()


def new_id():
    return f'dna{uuid.uuid4().hex[:8]}'


def tables(work):
    return {str(file.relative_to(work)): file.read_bytes() for file in sorted(work.rglob('*.safetensors'))}, \
        {str(file.relative_to(work)): np.load(file)['ratings'] for file in sorted(work.rglob('ratings.npz'))}


def in_one_distilled(work, running=1):
    """Whether some supernet is finished and others are at work."""
    done = [task for task in events(work, 'finished') if task.startswith('distill')]
    started = [task for task in events(work, 'started') if task.startswith('distill')]
    return done and len(started) - len(done) >= running


@pytest.fixture(scope='module')
def undisturbed(tmp_path_factory):
    """A whole experiment on the sequential engine."""
    work = tmp_path_factory.mktemp('undisturbed') / 'work'
    exported = Script('sequential', work, new_id(), epochs=60).printed('exported')
    return work, exported


def test_both_engines_give_the_same_ranking_and_every_task_is_a_trial(tmp_path, undisturbed):
    work = tmp_path / 'work'
    script = Script('ts', work, new_id(), epochs=60)
    exported, trials = script.printed('exported'), script.printed('trials')
    assert exported == undisturbed[1] and len(exported) == 2
    assert ranking(work) == ranking(undisturbed[0])
    for ours, theirs in zip(tables(work), tables(undisturbed[0])):
        assert ours.keys() == theirs.keys()
        for name in ours:
            np.testing.assert_array_equal(ours[name], theirs[name])
    assert sorted(task for _, task in trials) == sorted(events(work, 'started'))
    assert {status for status, _ in trials} == {'SUCCEEDED'}


def test_killed_in_the_distillation_and_resumed_no_finished_block_is_trained_again(tmp_path, undisturbed):
    work = tmp_path / 'work'
    name = new_id()
    script = Script('ts', work, name, epochs=60)
    script.kill_when(lambda: len(script.rows()) == 4)  # a trial has just been sent, and has not found out yet what it is to do
    finished = events(work, 'finished')
    assert any(task.startswith('distill') for task in finished)
    kept = {task: (work / task / 'result.json').stat().st_mtime_ns for task in finished}
    stop(name, script.port)  # NNI's manager outlives the script

    resumed = Script('ts', work, name, 'resume', epochs=60, port=script.port)
    exported, trials = resumed.printed('exported'), resumed.printed('trials')
    assert exported == undisturbed[1]
    assert len({task for _, task in trials}) == len(trials) and {status for status, _ in trials} == {'SUCCEEDED'}
    assert ranking(work) == ranking(undisturbed[0])
    started = events(work, 'started')
    assert all(started.count(task) == 1 for task in finished)
    assert {task: (work / task / 'result.json').stat().st_mtime_ns for task in finished} == kept


def test_killed_on_the_sequential_engine_the_script_started_again_goes_on(tmp_path, undisturbed):
    work = tmp_path / 'work'
    Script('sequential', work, new_id(), epochs=60).kill_when(lambda: in_one_distilled(work))
    finished = events(work, 'finished')
    exported = Script('sequential', work, new_id(), epochs=60).printed('exported')
    assert exported == undisturbed[1]
    assert all(events(work, 'started').count(task) == 1 for task in finished)


def test_a_cleanly_stopped_experiment_is_resumed_by_its_id_on_the_sequential_engine(tmp_path, undisturbed):
    work = tmp_path / 'work'
    name = new_id()
    script = Script('sequential', work, name, epochs=60)
    deadline = time.monotonic() + 120
    while not in_one_distilled(work):
        assert script.process.poll() is None and time.monotonic() < deadline, script.log.read_text()
        time.sleep(0.05)
    script.process.send_signal(signal.SIGINT)
    script.process.wait(60)
    finished = events(work, 'finished')
    exported = Script('sequential', work, name, 'resume', epochs=60).printed('exported')
    assert exported == undisturbed[1]
    assert all(events(work, 'started').count(task) == 1 for task in finished)
