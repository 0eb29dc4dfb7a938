"""Make ``toys`` importable, as a user's own module beside the experiment's YAML file would be."""

import sys
from pathlib import Path

import pytest

sys.path.insert(0, str(Path(__file__).parent))


@pytest.fixture
def toy_settings(tmp_path):
    """Plain settings of a campaign of seconds in a fresh work folder."""
    import toys
    return lambda **changes: toys.settings(tmp_path / 'work', **changes)


@pytest.fixture(autouse=True)
def nni_of_its_own(monkeypatch):
    """NNI's sequential engine leaves the parameters of its last model behind, for whatever runs in the process next."""
    import nni
    monkeypatch.setattr(nni.trial, '_params', None)
    monkeypatch.setattr(nni.trial, '_intermediate_seq', 0)
