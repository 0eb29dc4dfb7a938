"""Our search-space files are NNI's: its own tuners take them."""

from __future__ import annotations

import json
import sys
from pathlib import Path

import pytest
import toys
import torch
from experiment import NniExperiment
from nni.nas.hub.pytorch import MobileNetV3Space

from nni_dna.cost import count
from nni_dna.spaces import without_memory
from nni_dna.spaces.freezing import freeze

TESTS = Path(toys.__file__).parent
FILE = TESTS.parent / 'search_spaces' / 'mobilenetv3.json'


@pytest.mark.slow
def test_random_tuner_of_nni_draws_architectures_from_our_file(tmp_path):
    config = {'searchSpaceFile': str(FILE), 'trialCodeDirectory': str(TESTS / 'nni_host'), 'tuner': {'name': 'Random'},
              'trialCommand': f'{sys.executable} count_trial.py', 'maxTrialNumber': 2}
    with NniExperiment(tmp_path, config) as nni:
        assert nni.wait_until_ended(120) == 'DONE'
        rows = nni.trials()
    definition = json.loads(FILE.read_text())
    space = without_memory(MobileNetV3Space)
    expected = []
    for row in rows:
        assert row['state'] == 'SUCCEEDED'
        assert row['parameters'].keys() == definition.keys()
        assert all(value in definition[label]['_value'] for label, value in row['parameters'].items())
        with torch.device('meta'):
            expected.append(count(freeze(space, row['parameters']), (3, 64, 64))[0].params)
    # Sorted, since NNI may give trials that start together each other's parameters.
    assert sorted(row['final'] for row in rows) == sorted(expected)
    assert len({json.dumps(row['parameters'], sort_keys=True) for row in rows}) == 2
