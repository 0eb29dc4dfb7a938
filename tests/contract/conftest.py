"""NNI keeps a list of experiments in the home folder; here it keeps one per test."""

import pytest
import strategy_toys


@pytest.fixture(autouse=True)
def apart(monkeypatch, tmp_path):
    strategy_toys.keep_apart(monkeypatch, tmp_path)
