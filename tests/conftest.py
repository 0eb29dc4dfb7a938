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
