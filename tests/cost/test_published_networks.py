"""The four networks of the paper are in the space and cost what the paper publishes."""

import re

import pytest
import torch

from nni_dna.cli import main
from nni_dna.cost import count
from nni_dna.errors import SpaceError
from nni_dna.spaces import build_space, restrict
from nni_dna.spaces.freezing import freeze
from nni_dna.spaces.published import PUBLISHED, published_architecture

# Million multiply-adds of convolutions and linear layers; million parameters; the paper's own parameters.
COSTS = {'dna-a': (335.1, 4.24, 4.2), 'dna-b': (392.5, 4.92, 4.9), 'dna-c': (450.1, 5.27, 5.3), 'dna-d': (592.8, 6.41, 6.4)}


@pytest.fixture(scope='module')
def paper():
    with torch.device('meta'):
        return build_space('dna', {}, num_classes=1000)


def test_all_four_are_known():
    assert set(PUBLISHED) == set(COSTS)


@pytest.mark.parametrize('name', COSTS)
def test_a_published_network_is_in_the_space_and_costs_what_is_published(paper, name):
    sample = published_architecture(name)
    labels = restrict(paper, None)
    assert all(value in labels[label] for label, value in sample.items())
    with torch.device('meta'):
        cost, output = count(freeze(paper, sample), (3, 224, 224))
    madds, params, published = COSTS[name]
    assert round(cost.madds / 1e6, 1) == madds
    assert round(cost.params / 1e6, 2) == params
    assert round(cost.params / 1e6, 1) == published
    assert output == (1000,)


def test_the_command_line_builds_and_counts_one(capsys):
    assert main(['show', '--architecture', 'dna-c']) == 0
    printed = capsys.readouterr().out
    assert re.search(r'450\.1 M multiply-adds at 224 px .*, 5\.27 M parameters', printed)
    assert main(['show', '--architecture', 'dna-c', '--image-size', '112']) == 0
    # A quarter of the pixels, rounded up at every stride (7 become 4), and as much squeeze-and-excitation as before.
    assert 450.1 / 4 < float(re.search(r'([\d.]+) M multiply-adds at 112 px', capsys.readouterr().out)[1]) < 450.1 / 3


def test_an_unknown_name_is_refused_with_the_known_ones(capsys):
    assert main(['show', '--architecture', 'dna-x']) == 1
    assert 'dna-a, dna-b, dna-c, dna-d' in capsys.readouterr().err
    with pytest.raises(SpaceError, match="got 'DNA-A'"):
        published_architecture('DNA-A')
