"""The script of examples/python_api: every strategy on ProxylessNAS, and DNA on every space, ends with an architecture."""

from __future__ import annotations

import ast
import os
import subprocess
import sys
from importlib.util import find_spec
from pathlib import Path

import pytest
import torch
from nni.nas.hub.pytorch import MobileNetV3Space, ProxylessNAS, ShuffleNetSpace
from ports import free_port

from nni_dna.spaces import without_memory

EXAMPLE = Path(__file__).parent.parent.parent / 'examples' / 'python_api'
pytestmark = pytest.mark.slow


def search(*arguments):
    """What the script prints, run as a user would, from the root of the project."""
    done = subprocess.run([sys.executable, str(EXAMPLE / 'search.py'), '--epochs', '1', '--images', '128', *arguments],
                          cwd=EXAMPLE.parent.parent, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, timeout=300,
                          env={**os.environ, 'OMP_NUM_THREADS': '1'})
    return done.returncode, done.stdout


def architectures(printed):
    return [ast.literal_eval(line) for line in printed.splitlines() if line.startswith('{')]


@pytest.mark.parametrize('strategy', ['darts', 'enas', 'proxyless', 'random'])
def test_a_strategy_of_nni_ends_with_an_architecture_of_proxylessnas(strategy):
    if strategy == 'enas' and not (find_spec('tianshou') and find_spec('gym')):
        status, printed = search('--strategy', strategy)
        assert status == 1 and "pip install 'nni_dna[compare]'" in printed
        pytest.skip('tianshou and gym are not installed')
    status, printed = search('--strategy', strategy)
    assert status == 0, printed
    found, = architectures(printed)
    without_memory(ProxylessNAS).validate(found)
    assert 'accuracy' in printed


@pytest.mark.parametrize(['space', 'make'], [('proxylessnas', ProxylessNAS), ('shufflenet', ShuffleNetSpace),
                                             ('mobilenetv3', lambda: MobileNetV3Space(
                                                 width_multipliers=(0.5, 1.0), expand_ratios=(3., 6.), depth_range=(1, 2)))])
def test_dna_ends_with_ranked_architectures_within_the_limits(space, make, tmp_path):
    status, printed = search('--strategy', 'dna', '--engine', 'sequential', '--space', space, '--max-paths', '30', '--top-k', '2',
                             '--max-params', '3e6', '--work', str(tmp_path / 'work'))
    assert status == 0, printed
    found = architectures(printed)
    assert len(found) == 2 and found[0] != found[1]
    for architecture in found:
        without_memory(make).validate(architecture)
    for line in printed.splitlines():
        if 'multiply-adds' in line:
            assert int(line.split(' parameters')[0].replace(',', '')) <= 3e6
    assert 'rank 2: accuracy' in printed and 'teacher stage' in printed


def test_dna_searches_a_space_of_the_users_own_on_the_training_service(tmp_path):
    status, printed = search('--strategy', 'dna', '--space', 'own', '--top-k', '1', '--port', str(free_port()),
                             '--work', str(tmp_path / 'work'))
    assert status == 0, printed
    sys.path.insert(0, str(EXAMPLE))
    try:
        from own_space import OwnSpace
    finally:
        sys.path.remove(str(EXAMPLE))
    found, = architectures(printed)
    with torch.device('meta'):
        OwnSpace().validate(found)
