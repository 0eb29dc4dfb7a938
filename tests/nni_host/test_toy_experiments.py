"""Small campaigns on a real NNI manager: rows, faults, stop and resume, errors."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
import toys
import torch
from experiment import NniExperiment
from running import run_in_process
from work_files import events

from nni_dna.weights import save_weights

TESTS = Path(toys.__file__).parent
pytestmark = pytest.mark.slow


def config(work, **changes):
    return {'searchSpace': {}, 'trialCodeDirectory': str(TESTS),
            'tuner': {'className': 'nni_dna.DNAAdvisor', 'codeDirectory': str(TESTS),
                      'classArgs': toys.settings(work, **changes)}}


def ratings(work):
    return {str(file.relative_to(work)): np.load(file)['ratings'] for file in sorted(work.rglob('ratings.npz'))}


def test_a_killed_trial_is_run_again_and_the_ratings_are_those_of_an_undisturbed_run(tmp_path):
    work = tmp_path / 'work'
    torch.manual_seed(0)
    save_weights(toys.Teacher(), tmp_path / 'teacher.safetensors')
    changes = {'teacher': {'weights': str(tmp_path / 'teacher.safetensors')}, 'distill': {'epochs': 150}, 'search': {'top_k': 1}}
    undisturbed = run_in_process(tmp_path / 'undisturbed', **changes)
    with NniExperiment(tmp_path, config(work, **changes)) as nni:
        def training():
            shown = {row['id']: row['parameters']['task'] for row in nni.trials()}
            return {shown[trial]: process for trial, process in nni.running().items()
                    if shown.get(trial, '').startswith('distill') and nni.get(f'/metric-data/{trial}')}
        task, process = next(iter(nni.wait(training, 120).items()))
        os.kill(process.pid, signal.SIGKILL)
        assert nni.wait_until_ended(180) == 'DONE'
        rows = nni.trials()

    assert [row['parameters']['task'] for row in rows if row['state'] != 'SUCCEEDED'] == [task]
    assert events(work, 'started').count(task) == 2
    again = ratings(work)
    assert again.keys() == ratings(undisturbed).keys()
    for name, table in ratings(undisturbed).items():
        np.testing.assert_array_equal(again[name], table)
    rankings = [json.loads((folder / 'ranking.json').read_text())['ranking'] for folder in (work, undisturbed)]
    assert rankings[0] == rankings[1]
    for row in rows:  # each row's process did what the row says
        if row['state'] == 'SUCCEEDED':
            assert row['final']['task'] == row['parameters']['task']


def test_stop_and_resume_repeat_no_finished_trial_and_the_registered_name_works(tmp_path):
    meta = Path(sys.modules['nni_dna'].__file__).parent / 'nni_meta' / 'dna.yml'
    nnictl = str(Path(sys.executable).parent / 'nnictl')
    subprocess.run([nnictl, 'algo', 'register', '--meta', str(meta)], check=True)
    try:
        work = tmp_path / 'work'
        plain = config(work, distill={'epochs': 150}, search={'top_k': 1})
        plain['tuner'] = {'name': 'DNA', 'classArgs': plain['tuner']['classArgs']}
        with NniExperiment(tmp_path, plain) as nni:
            nni.wait(lambda: 1 <= len([t for t in events(work, 'finished') if t.startswith('distill')]) and nni.running(), 120)
            nni.stop()
            finished = events(work, 'finished')
            assert len(finished) < 4  # in the middle of the distillation
            nni.resume()
            assert nni.wait_until_ended(180) == 'DONE'
            rows = nni.trials()
    finally:
        subprocess.run([nnictl, 'algo', 'unregister', 'DNA'], check=True)

    for task in finished:
        assert events(work, 'started').count(task) == 1
        assert [row['state'] for row in rows if row['parameters']['task'] == task] == ['SUCCEEDED']
    succeeded = [row['parameters']['task'] for row in rows if row['state'] == 'SUCCEEDED']
    assert len(succeeded) == len(set(succeeded)) == 5
    identifiers = [row['parameter_id'] for row in rows]
    assert len(identifiers) == len(set(identifiers))


def test_a_task_that_always_fails_ends_the_experiment_with_its_own_error(tmp_path):
    work = tmp_path / 'work'
    with NniExperiment(tmp_path, config(work, retries=1, data={'name': 'toys.images_that_break_in_trials'})) as nni:
        assert nni.wait_until_ended(120) == 'ERROR'
        rows = nni.trials()
        log = nni.log('nnimanager')
    assert [row['parameters']['task'] for row in rows] == ['teacher/train'] * 2
    assert 'teacher/train failed 2 times' in log
    assert 'this image is broken' in log


@pytest.mark.parametrize(['changes', 'message'], [
    ({'search': {'max_params': 10}}, 'the cheapest possible'),
    ({'teachr': {}}, 'nearest known: teacher'),
])
def test_bad_input_ends_the_experiment_before_any_trial_with_one_error(tmp_path, changes, message):
    work = tmp_path / 'work'
    with NniExperiment(tmp_path, config(work, **changes)) as nni:
        assert nni.wait_until_ended(60) == 'ERROR'
        assert nni.trials() == []
        assert message in nni.log('nnimanager')
        nni.wait(lambda: message in nni.log('nnictl_stderr'), 30)  # the dispatcher's own exit, not 0
    assert not work.exists()
