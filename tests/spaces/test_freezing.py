"""Networks taken out of a space: the same as by NNI's own way, and free of the space."""

from __future__ import annotations

import pytest
import toys
import torch
from nni.nas.hub.pytorch import MobileNetV3Space
from nni.nas.nn.pytorch import LayerChoice, ModelSpace
from torch import nn

from nni_dna.spaces import build_space
from nni_dna.spaces.freezing import freeze


class Nested(ModelSpace):
    """A choice within a choice, a module that two names share, and something that is no module."""

    def __init__(self):
        super().__init__()
        inner = LayerChoice([nn.Linear(4, 4), nn.Identity()], label='inner')
        self.outer = LayerChoice({'a': nn.Sequential(inner, nn.ReLU()), 'b': nn.Linear(4, 4)}, label='outer')
        self.head = nn.Linear(4, 2)
        self.same = self.head
        self.sizes = {'outputs': 2}

    def forward(self, x):
        return self.same(self.outer(x))


SPACES = {'cells': toys.Space, 'widths and depths': toys.Scaled, 'nested': Nested,
          'digits': lambda: build_space('digits', {}, 10), 'mobilenetv3': MobileNetV3Space}


@pytest.fixture(scope='module', params=SPACES)
def space(request):
    torch.manual_seed(0)
    return SPACES[request.param]()


def test_a_network_has_the_layers_the_weights_and_the_random_numbers_of_nnis(space):
    sample = {label: mutable.values[-1] for label, mutable in space.simplify().items()}
    found, generators = [], []
    for make in (lambda: freeze(space, sample), lambda: space.freeze(sample)):
        torch.manual_seed(1)
        found.append(make())
        generators.append(torch.get_rng_state())
    ours, nnis = found
    assert repr(ours) == repr(nnis)
    assert torch.equal(*generators)
    theirs = nnis.state_dict()
    assert list(ours.state_dict()) == list(theirs)
    for name, tensor in ours.state_dict().items():
        assert torch.equal(tensor, theirs[name])


@pytest.mark.parametrize('make', [Nested, SPACES['digits']])
def test_a_network_shares_nothing_with_its_space_which_stays_as_it_is(make):
    space = make()
    before = repr(space)
    sample = {label: mutable.values[0] for label, mutable in space.simplify().items()}
    network = freeze(space, sample)
    assert repr(space) == before
    assert not {id(part) for part in network.modules()} & {id(part) for part in space.modules()}
    assert not {id(weight) for weight in network.parameters()} & {id(weight) for weight in space.parameters()}


def test_what_two_names_share_they_share_in_the_network_too():
    network = freeze(Nested(), {'outer': 'a', 'inner': 0})
    assert network.same is network.head
    assert network.sizes == {'outputs': 2}
    assert network(torch.zeros(3, 4)).shape == (3, 2)
