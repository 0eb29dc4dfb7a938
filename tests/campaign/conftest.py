"""Campaigns that nothing disturbed."""

from __future__ import annotations

import pytest
from running import SCALED, run_in_process


@pytest.fixture(scope='session')
def finished(tmp_path_factory):
    return run_in_process(tmp_path_factory.mktemp('finished') / 'work')


@pytest.fixture(scope='session')
def scaled(tmp_path_factory):
    """Of the space whose supernets have several cells, with stages that are found."""
    return run_in_process(tmp_path_factory.mktemp('scaled') / 'work', **SCALED, teacher={'stages': None})
