"""Make ``toys`` importable, as a user's own module beside the experiment's YAML file would be."""

import os
import sys
import tempfile
from pathlib import Path

_STATE = tempfile.TemporaryDirectory(prefix='nni_dna-state-')  # goes with the process
os.environ['XDG_STATE_HOME'] = _STATE.name  # what the tests' own experiments may import is nobody else's business
os.environ.setdefault('OMP_NUM_THREADS', '1')  # before torch comes in: threads of several workers would wait for each other

import pytest  # noqa: E402

sys.path.insert(0, str(Path(__file__).parent))


def pytest_collection_modifyitems(items):
    """Files with long tests go first, so that none is left alone at the end; the order within a file stays."""
    long = {item.path for item in items if item.get_closest_marker('slow')}
    items.sort(key=lambda item: item.path not in long)


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
