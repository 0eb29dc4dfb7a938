"""What experiments with NNI's Python API share: a teacher, one finished experiment, and a home folder per test."""

from __future__ import annotations

from types import SimpleNamespace

import pytest
import strategy_toys
import toys
import torch
from strategy_toys import experiment, run, strategy

from nni_dna.weights import save_weights


@pytest.fixture(scope='session')
def teacher(tmp_path_factory):
    """A teacher that need not be trained."""
    torch.manual_seed(0)
    file = tmp_path_factory.mktemp('teacher') / 'teacher.safetensors'
    save_weights(toys.Teacher(), file)
    return {'name': toys.Teacher, 'weights': str(file)}


@pytest.fixture(scope='session')
def finished(tmp_path_factory, teacher):
    """An experiment that nothing disturbed."""
    folder = tmp_path_factory.mktemp('finished')
    with pytest.MonkeyPatch.context() as patch:
        strategy_toys.keep_apart(patch, folder)
        done = experiment(strategy(folder / 'work', teacher))
        assert run(done) is True
    return SimpleNamespace(work=folder / 'work', experiment=done)


@pytest.fixture
def work(tmp_path):
    return tmp_path / 'work'


@pytest.fixture(autouse=True)
def apart(monkeypatch, tmp_path):
    """NNI keeps a list of experiments in the home folder; here it keeps one per test."""
    strategy_toys.keep_apart(monkeypatch, tmp_path)
