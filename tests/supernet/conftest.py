"""Model spaces to make supernets of."""

import pytest

import toys
from plain_paths import Case
from nni_dna.spaces import build_space


@pytest.fixture(scope='module')
def digits():
    return Case(lambda: build_space('digits', {}, num_classes=10), 32)


@pytest.fixture
def toy():
    return Case(toys.Space)
