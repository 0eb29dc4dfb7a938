"""The four networks of the paper, rebuilt from their layers, cost what the paper publishes."""

import pytest
import torch

from nni_dna.cost import count
from nni_dna.spaces import build_space, read_chain
from nni_dna.spaces.freezing import freeze

# Per block the width, and kernel and expansion of each layer (figure 6 of the paper).
NETWORKS = {
    'a': [(24, '53 33 36'), (40, '33 33 53 36'), (80, '76 33 53 36'), (96, '56 53 53 56'), (160, '56 53 53 53 56'),
          (320, '36')],
    'b': [(24, '33 53 76'), (40, '76 53 76'), (80, '56 53 53 36'), (96, '56 53 53 56'), (192, '76 53 53 53 76'),
          (320, '36')],
    'c': [(24, '56 36'), (40, '56 56 36 56'), (80, '56 36 56 56'), (112, '36 56 56 53'), (192, '56 53 56 56'),
          (320, '36')],
    'd': [(24, '76 56 76'), (40, '76 76 76 76'), (80, '76 56 56 76'), (112, '76 56 76 56'), (192, '76 56 56 56 76'),
          (320, '36')],
}
# Million multiply-adds of convolutions and linear layers; million parameters; the paper's own parameters.
COSTS = {'a': (335.1, 4.24, 4.2), 'b': (392.5, 4.92, 4.9), 'c': (450.1, 5.27, 5.3), 'd': (592.8, 6.41, 6.4)}


def sample_of(network):
    sample = {}
    for number, (width, layers) in enumerate(network, start=1):
        operations = layers.split()
        cell = f'{len(operations)}x{width}'
        if number < 6:
            sample[f'block{number}/cell'] = cell
        for layer, (kernel, expansion) in enumerate(operations, start=1):
            sample[f'block{number}/{cell}/layer{layer}'] = f'k{kernel}e{expansion}'
    return sample


@pytest.fixture(scope='module')
def paper():
    with torch.device('meta'):
        return build_space('dna', {}, num_classes=1000)


@pytest.mark.slow
@pytest.mark.parametrize('name', NETWORKS)
def test_a_published_network_is_in_the_space_and_costs_what_is_published(paper, name):
    sample = sample_of(NETWORKS[name])
    labels = read_chain(paper).label_values()
    assert all(value in labels[label] for label, value in sample.items())
    with torch.device('meta'):
        cost, output = count(freeze(paper, sample), (3, 224, 224))
    madds, params, published = COSTS[name]
    assert round(cost.madds / 1e6, 1) == madds
    assert round(cost.params / 1e6, 2) == params
    assert round(cost.params / 1e6, 1) == published
    assert output == (1000,)
