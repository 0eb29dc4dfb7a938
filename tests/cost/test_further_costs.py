"""Peak memory and latency of every path against whole networks; all exact costs against NNI's profilers and plain counts."""

import logging

import numpy as np
import pytest
import toys
import torch
from nni.nas.nn.pytorch import LayerChoice, MutableLinear
from nni.nas.profiler.pytorch.flops import FlopsProfiler, NumParamsProfiler
from nni.nas.space import model_context
from torch import nn

from made import all_paths, choice, conv, made, on_meta, proxyless, random_paths, read, seq, short_mobilenet, width
from nni_dna.cost import cost_tables, latency_costs, memory_costs
from nni_dna.cost.operations import trace_operations
from nni_dna.cost.parts import NetworkParts
from nni_dna.errors import SpaceError
from nni_dna.spaces import build_space
from nni_dna.spaces.freezing import freeze
from plain_counts import plain_cost, plain_memory
from test_cost_tables import SeveralWidths


def frozen(space, chain, paths):
    with torch.device('meta'):
        return freeze(space, chain.architecture(paths))


def small_dna():
    """Depths, widths that are handed on, residuals."""
    return build_space('nni_dna.spaces.DNASpace', {
        'blocks': [{'stride': 2, 'cells': ['1x8', '2x8', '1x12']}, {'stride': 2, 'cells': ['1x8', '1x16']},
                   {'stride': 1, 'cells': ['2x12']}],
        'kernel_sizes': [3], 'stem_width': 8, 'first_width': 0, 'head_width': 16}, 3)


CASES = {
    'toy': (toys.Space, 16, {}), 'cells of shared weights': (toys.Scaled, 16, {}),
    'several widths': (SeveralWidths, 8, {'ends': ['blocks.0', 'blocks.1']}), 'residuals': (small_dna, 32, {}),
    'ProxylessNAS': (proxyless, 32, {}), 'widths of MobileNetV3': (short_mobilenet, 32, {}),
}


SLOW = ['ProxylessNAS']


@pytest.fixture(scope='module', params=[pytest.param(name, marks=[pytest.mark.slow] * (name in SLOW)) for name in CASES])
def case(request):
    """A space, its chain, some or all of its paths, and its parts."""
    make, size, options = CASES[request.param]
    space = on_meta(make)
    chain = read(space, size, **options)
    paths = random_paths(chain, 2 if chain.architectures > 1e6 else 6)
    return space, chain, paths, NetworkParts(space, chain, (3, size, size)), (3, size, size)


def test_the_peak_memory_of_a_path_is_that_of_the_whole_network(case):
    space, chain, paths, parts, shape = case
    memory = memory_costs(parts)
    assert memory.name == 'memory' and memory.peak and all(block.dtype == np.int64 for block in memory.blocks)
    found = [memory.total(chain, chosen) for chosen in paths]
    assert found == [plain_memory(frozen(space, chain, chosen), shape) for chosen in paths]


def test_the_parts_of_a_network_are_its_operations_one_after_another(case):
    space, chain, paths, parts, shape = case
    whole = trace_operations(frozen(space, chain, paths[-1]), shape)
    apart = [operation for part in parts.of(paths[-1]) for operation in part.operations]
    assert [operation.text for operation in whole.operations] == [operation.text for operation in apart]
    assert [operation.alive for operation in whole.operations] == [operation.alive for operation in apart]


def test_the_latency_of_a_path_is_the_sum_of_its_parts(case):
    space, chain, paths, parts, shape = case
    ms = {key: 0.1 + int(key, 16) % 1000 / 7 for key in parts.traces()}
    latency = latency_costs(parts, lambda part: ms[part.key])
    assert not latency.peak and latency.name == 'latency_ms'
    for chosen in paths:
        assert latency.total(chain, chosen) == pytest.approx(sum(ms[part.key] for part in parts.of(chosen)), rel=1e-12)


def test_parts_that_do_the_same_are_one_kind():
    space = on_meta(small_dna)
    parts = NetworkParts(space, read(space, 32), (3, 32, 32))
    # stem, tail, and two candidates each: in block1 from 8 channels to 8 and 12, and from 8 to 8 behind that; in block2 from 8
    # and 12 to 8 and 16; in block3 from 8 and 16 to 12, and from 12 to 12 behind that
    assert len(parts.traces()) == 2 + 2 * (3 + 4 + 3)
    assert set(parts.traces()) == {trace.key for paths in random_paths(parts.chain, 200) for trace in parts.of(paths)}


def test_thirty_random_architectures_cost_what_nnis_profilers_and_plain_counts_say():
    """NNI's profiler counts biases, normalisations and activations too unless told not to; the rest is what is counted here."""
    space = on_meta(small_dna)
    chain, shape = read(space, 32), (3, 32, 32)
    tables, memory = cost_tables(space, chain, shape), memory_costs(NetworkParts(space, chain, shape))
    level = logging.getLogger('nni').level
    logging.getLogger('nni').setLevel(logging.ERROR)  # its shape inference warns of every activation
    try:
        flops = FlopsProfiler(space, torch.zeros(1, *shape, device='meta'), count_bias=False, count_normalization=False,
                              count_activation=False)
        params = NumParamsProfiler(space, torch.zeros(1, *shape, device='meta'))
    finally:
        logging.getLogger('nni').setLevel(level)
    unused = {label: mutable.values[0] for label, mutable in space.simplify().items()}
    found = []
    for paths in random_paths(chain, 30):
        sample = {**unused, **chain.architecture(paths)}
        with torch.device('meta'), model_context(sample):
            network = small_dna()
        cost = tables.total(chain, paths)
        assert (cost.params, cost.madds) == plain_cost(network, shape)
        assert (cost.params, cost.madds) == (params.profile(sample), flops.profile(sample))
        found.append((memory.total(chain, paths), network))
    assert all(peak == plain_memory(network, shape) for peak, network in found[::3])


def residual_over_blocks(self, x):
    x = self.stem(x)
    return self.head(self.b(self.a(x)).mean((2, 3)) + x.mean((2, 3)))


def scaled_image(self, x):
    return self.head(self.b(self.a(self.stem(x))).mean((2, 3)))


def parts_of_made(run):
    space = made(lambda: {'stem': conv(), 'a': choice('a', stride=2), 'b': choice('b', stride=2), 'head': nn.Linear(3, 2)}, run)
    return NetworkParts(space, read(space, 16), (3, 16, 16))


def test_a_network_that_keeps_an_earlier_result_for_later_is_refused():
    with pytest.raises(SpaceError, match='search.max_memory, search.max_latency_ms: a network of the space does aten.*alive'):
        parts_of_made(residual_over_blocks)
    assert len(parts_of_made(scaled_image).stem) == 1


def test_the_width_that_the_last_block_hands_on_decides_the_memory_behind_it():
    def parts():
        widths = {'x': 4, 'y': 16}
        cells = {name: seq(choice(f'in {name}', 3, out, 2)) for name, out in widths.items()}
        return {'a': LayerChoice(cells, label='cell'), 'pool': nn.AdaptiveAvgPool2d(1), 'flat': nn.Flatten(),
                'fc': MutableLinear(width('cell', widths), 3)}
    space = made(parts)
    chain = read(space, 16)
    memory = memory_costs(NetworkParts(space, chain, (3, 16, 16)))
    # behind the block: the pooling reads a map on 8x8 pixels and makes one number a channel
    assert memory.rest.tolist() == [4 * 4 * 65, 4 * 16 * 65]
    for paths in all_paths(chain):
        assert memory.total(chain, paths) == plain_memory(frozen(space, chain, paths), (3, 16, 16))
