"""The NNI face without a manager: the command line, the rows of trials, the trial command."""

from __future__ import annotations

import base64
import json
import subprocess
import sys
import threading
import time

import pytest
import yaml
import toys

import nni_dna
from nni_dna.advisor import DNAClassArgsValidator
from nni_dna.assignment import TrialAssigner, take_assignment
from nni_dna.errors import ResultError, SettingsError
from nni_dna.manager import Manager, config_folder


class Rows:
    """A manager whose rows the test sets."""

    def __init__(self):
        self.rows = {}

    def experiment(self):
        return {'id': 'exp'}

    def trials(self):
        return self.rows


def test_each_trial_gets_the_parameters_of_its_own_row(tmp_path):
    rows = Rows()
    assigner = TrialAssigner(rows, tmp_path, lambda sent: (sent['parameter_id'], sent['parameters']))
    assigner.expect(0)
    assigner.expect(1)
    taken = {}
    waiting = threading.Thread(target=lambda: taken.update(take_assignment(tmp_path, 'exp', 'B')))
    waiting.start()
    time.sleep(0.1)
    rows.rows = {'A': {'parameter_id': 0, 'parameters': {'task': 'a'}}, 'B': {'parameter_id': 1, 'parameters': {'task': 'b'}},
                 'C': {'parameter_id': 7, 'parameters': {'task': 'of another campaign'}}}
    waiting.join(10)
    assert taken == {'task': 'b'}
    assert take_assignment(tmp_path, 'exp', 'A') == {'task': 'a'}
    assert not (tmp_path / 'trials' / 'exp.C.json').exists()


def test_a_trial_that_is_left_without_a_row_gives_up_with_the_reason(tmp_path, monkeypatch):
    monkeypatch.setattr('nni_dna.assignment._PATIENCE', 0.5)
    with pytest.raises(ResultError, match='is the work folder on storage that this machine shares'):
        take_assignment(tmp_path, 'exp', 'A')


@pytest.mark.parametrize(['config', 'folder'], [
    ({'tuner': {'codeDirectory': '/a'}, 'trialCodeDirectory': '/b'}, '/a'),
    ({'tuner': {'name': 'DNA'}, 'trialCodeDirectory': '/b'}, '/b'),
])
def test_relative_paths_are_relative_to_the_folder_that_nni_was_given(config, folder):
    encoded = base64.b64encode(json.dumps(config).encode()).decode()
    assert str(config_folder(['nni', '--exp_params', encoded])) == folder


@pytest.mark.parametrize(['channel', 'api'], [
    ('ws://localhost:8080/tuner', 'http://localhost:8080/api/v1/nni'),
    ('ws://localhost:8080/my/prefix/tuner', 'http://localhost:8080/my/prefix/api/v1/nni'),
])
def test_the_rest_interface_is_beside_the_command_channel(channel, api):
    assert Manager(channel).api == api


def test_the_trial_command_outside_nni_says_how_to_start():
    done = subprocess.run([sys.executable, '-m', 'nni_dna.trial'], capture_output=True, text=True)
    assert done.returncode == 2
    assert 'nnictl create' in done.stderr and 'Traceback' not in done.stderr


def test_the_meta_file_for_nnis_registry_names_what_exists(tmp_path):
    from pathlib import Path
    meta = yaml.safe_load((Path(nni_dna.__file__).parent / 'nni_meta' / 'dna.yml').read_text())
    assert meta['builtinName'] == 'DNA'
    assert meta['className'] == 'nni_dna.DNAAdvisor' and nni_dna.DNAAdvisor
    DNAClassArgsValidator().validate_class_args(**toys.settings(tmp_path / 'work'))
    with pytest.raises(SettingsError, match='nearest known: teacher'):
        DNAClassArgsValidator().validate_class_args(**toys.settings(tmp_path / 'work', teachr={}))
