"""Trials of examples/compare: what each sends to NNI and writes down, on a tiny task."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from importlib.util import find_spec
from pathlib import Path

import pytest
import yaml

HERE = Path(__file__).resolve().parent
BUDGET, LIMIT = 4, 60_000
HARD = {'dna', 'random', 'regularized_evolution', 'tpe', 'policy_rl', 'random_oneshot'}


def trials(work, *strategies):
    """What the trials sent and recorded, run one after another."""
    done = subprocess.run([sys.executable, '-W', 'ignore', str(HERE / 'compare_run.py'), str(work), *strategies],
                          capture_output=True, text=True, timeout=300, env={**os.environ, 'OMP_NUM_THREADS': '1'})
    assert done.returncode == 0, done.stderr
    return [json.loads(line) for line in done.stdout.splitlines() if line.startswith('{')]


def check(found):
    name, record, images = found['strategy'], found['record'], found['images']
    assert set(record['architecture']) == set(found['labels'])
    assert all(record['architecture'][label] in values for label, values in found['labels'].items())
    assert record['params'] == found['weights']
    assert record['over_limit'] == (record['madds'] > LIMIT)
    assert not (name in HARD and record['over_limit'])
    assert 0 < record['images_seen'] <= BUDGET * images
    *progress, final = found['sent']
    assert progress and [(kind, parameters, number) for kind, parameters, number, _ in progress] == [
        ('PERIODICAL', 7, number) for number in range(len(progress))]
    assert final == ['FINAL', 7, 0, record['accuracy']]


def test_trials_report_their_own_results_and_spend_the_budget(tmp_path):
    *first, again = trials(tmp_path, 'dna', 'random', 'darts', 'random')
    for one in first:
        check(one)
    dna, random, darts = first
    assert dna['record']['images_seen'] == random['record']['images_seen'] == BUDGET * dna['images']
    # DNA: an epoch of the teacher, the rest of the distillation. Random: short trainings. DARTS: half of the images are held out.
    assert [len(one['sent']) - 1 for one in first] == [BUDGET, BUDGET, BUDGET // 2]
    assert not (tmp_path / 'scratch' / 'dna-3').exists()
    assert again['record'] == random['record']
    assert again['sent'] == random['sent'][-1:]  # at once: no search, no progress


@pytest.mark.slow
def test_every_other_strategy_ends_with_a_record(tmp_path):
    with_tianshou = ['enas', 'policy_rl'] if find_spec('tianshou') and find_spec('gym') else []
    found = trials(tmp_path, 'gumbel', 'proxyless', 'random_oneshot', 'regularized_evolution', 'tpe', *with_tianshou)
    for one in found:
        check(one)


@pytest.mark.parametrize('name', ['config.yml', 'config_cifar10.yml', 'config_cifar10_short.yml'])
def test_the_experiment_files_name_every_strategy_and_end_by_themselves(name):
    folder = HERE.parent.parent / 'examples' / 'compare'
    config = yaml.safe_load((folder / name).read_text())
    space = {label: found['_value'] for label, found in config['searchSpace'].items()}
    assert set(space) == {'strategy', 'seed'} and len(space['seed']) == 3
    assert all(f"'{strategy}'" in (folder / 'searches.py').read_text() for strategy in space['strategy'])
    assert len(set(space['strategy'])) == 10
    task = config['trialCommand'].split('--task ')[1].split()[0]
    assert f"'{task}': Task(" in (folder / 'tasks.py').read_text()
    assert config['maxTrialNumber'] == 30 and config['tuner'] == {'name': 'GridSearch'}
