"""Work folders to report on: a finished one of each face."""

import pytest
import strategy_toys
from running import run_in_process

from nni_dna.report import write_report


@pytest.fixture(scope='session')
def finished(tmp_path_factory):
    """Of a config's experiment. Not to be changed."""
    return run_in_process(tmp_path_factory.mktemp('finished') / 'work')


@pytest.fixture(scope='session')
def page(finished, tmp_path_factory):
    """Its report."""
    return write_report(finished, tmp_path_factory.mktemp('report'))


@pytest.fixture(scope='session')
def of_strategy(tmp_path_factory):
    """Of a NasExperiment. Not to be changed."""
    folder = tmp_path_factory.mktemp('of_strategy')
    with pytest.MonkeyPatch.context() as monkeypatch:
        strategy_toys.keep_apart(monkeypatch, folder)
        strategy_toys.run(strategy_toys.experiment(strategy_toys.strategy(folder / 'work')))
    return folder / 'work'
