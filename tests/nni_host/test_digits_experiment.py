"""The README's main job on a real NNI manager: from ``nnictl create`` to retrained models."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
import yaml
from experiment import NniExperiment

import nni_dna
from nni_dna.campaign.config import ConfigSetup
from nni_dna.campaign.work import WorkFolder
from nni_dna.cli import main
from nni_dna.retrain import accuracy

EXAMPLE = Path(__file__).parents[2] / 'examples' / 'digits' / 'config.yml'


@pytest.mark.slow
def test_the_digits_experiment_ends_done_with_retrained_winners_on_top(tmp_path, capsys):
    config = yaml.safe_load(EXAMPLE.read_text())
    config['searchSpaceFile'] = str((EXAMPLE.parent / config['searchSpaceFile']).resolve())
    config.pop('trialCommand')  # the tests name their own interpreter
    work = tmp_path / config['tuner']['classArgs']['work']
    with NniExperiment(tmp_path, config) as nni:
        assert nni.wait_until_ended(900) == 'DONE'
        rows = nni.trials()
        curves = {row['parameters']['task']: [float(json.loads(metric['data'])) for metric in nni.get(f'/metric-data/{row["id"]}')
                                              if metric['type'] == 'PERIODICAL'] for row in rows}

    assert {row['state'] for row in rows} == {'SUCCEEDED'}
    assert [row['parameters']['phase'] for row in rows] == ['teacher'] + ['distill'] * 8 + ['retrain'] * 4
    by_value = sorted(rows, key=lambda row: row['final']['default'], reverse=True)
    assert {row['parameters']['phase'] for row in by_value[:4]} == {'retrain'}  # what the web UI lists first
    for row in rows:
        if row['parameters']['phase'] == 'distill':
            losses = curves[row['parameters']['task']]
            assert len(losses) == 15 and losses[-1] < losses[0]

    ranking = json.loads((work / 'ranking.json').read_text())['ranking']
    assert ranking[0]['accuracy'] >= 0.97
    assert all(entry['params'] <= 30e3 and entry['madds'] <= 480e3 for entry in ranking)
    assert [entry['rating'] for entry in ranking] == sorted(entry['rating'] for entry in ranking)
    shown = {row['parameters']['rank']: row['parameters']['architecture'] for row in rows if 'rank' in row['parameters']}
    assert shown == {entry['rank']: entry['architecture'] for entry in ranking}

    setup = ConfigSetup.from_record(WorkFolder(work).record(), work)
    assert accuracy(nni_dna.load(work), 10, setup.data.test()) == pytest.approx(ranking[0]['accuracy'])
    assert main(['show', str(work)]) == 0
    assert 'phase        done' in capsys.readouterr().out
