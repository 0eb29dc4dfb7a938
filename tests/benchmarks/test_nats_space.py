"""NATS-Bench's size space as a model space: its networks, and its blocks."""

import pytest
import torch

from nats import CUTS
from nats_space import WIDTHS, NatsSizeSpace, architecture_of
from networks import SmallResNet
from nni_dna.cost import cost_tables
from nni_dna.spaces.build import without_memory
from nni_dna.spaces.freezing import plain_network
from nni_dna.supernet import match

IMAGE = (3, 32, 32)


def conv(given, width, kernel, size):
    """(parameters, multiply-adds) of a convolution without bias whose output has size x size pixels."""
    weights = given * width * kernel ** 2
    return weights, weights * size ** 2


def by_hand(w1, w2, w3, w4, w5):
    """Parameters and multiply-adds, written down from the benchmark's description."""
    parts, norms = [conv(3, w1, 3, 32)], [w1]
    for given, width, size, skip in ((w1, w1, 32, False), (w2, w3, 16, True), (w4, w5, 8, True)):
        parts += [conv(given, width, 3, size)] * 2 + [conv(width, width, 3, size)] * 3
        norms += [width] * 5
        if skip:
            parts.append(conv(given, width, 1, size))
            norms.append(width)
    for given, width, size in ((w1, w2, 16), (w3, w4, 8)):
        parts += [conv(given, width, 3, size), conv(width, width, 3, size), conv(given, width, 1, size)]
        norms += [width, width]
    norms.append(w5)
    return (sum(params for params, _ in parts) + 2 * sum(norms) + 10 * w5 + 10, sum(madds for _, madds in parts) + 10 * w5)


@pytest.fixture(scope='module')
def space():
    return without_memory(NatsSizeSpace)


@pytest.fixture(scope='module')
def chain(space):
    ends, stages = CUTS['bossnas']
    return match(space, SmallResNet(10), IMAGE, stages=stages, ends=ends).chain


@pytest.fixture(scope='module')
def costs(space, chain):
    return cost_tables(space, chain, IMAGE)


def test_a_row_of_the_table_is_an_architecture():
    assert architecture_of('8:16:64:24:32') == {'w1': 8, 'w2': 16, 'w3': 64, 'w4': 24, 'w5': 32}


def test_the_space_has_the_benchmarks_architectures_in_three_blocks(chain):
    assert [block.paths for block in chain.blocks] == [64, 64, 8]
    assert chain.architectures == 8 ** 5 == len(WIDTHS) ** 5
    assert [block.modules[-1] for block in chain.blocks] == ['reduce2', 'reduce4', 'cell5']


@pytest.mark.parametrize('channels', ['8:16:64:24:32', '64:64:64:64:64', '40:8:8:56:16'])
def test_costs_are_those_of_the_network_written_down(chain, costs, channels):
    architecture = architecture_of(channels)
    cost = costs.total(chain, chain.paths_of(architecture))
    assert (cost.params, cost.madds) == by_hand(*architecture.values())


def test_a_network_gives_a_number_for_each_class():
    network = plain_network(NatsSizeSpace(), architecture_of('8:16:24:8:16'))
    assert network(torch.randn(2, *IMAGE)).shape == (2, 10)
