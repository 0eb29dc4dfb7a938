"""Do the cost tables give what whole networks cost? Random architectures of the paper's space at 224 pixels.

Parameters, multiply-adds and peak activation memory from the tables, against the whole network, put together here from its layers
without model space or tables: a hook counter, NNI's profilers, and for the memory its own operations, and of some networks (it
is slow) torch.fx's liveness. The differences must be 0.

NNI's profiler is told to leave out biases, normalisations and activations; what is left are convolutions and linear layers, which
is what nni_dna counts. Its number of parameters has all parameters.

    python benchmarks/costs.py --architectures 1000 --out benchmarks/data/costs.json
"""

from __future__ import annotations

import argparse
import json
import logging
import sys
import warnings
from pathlib import Path

import numpy as np
import torch
from nni.nas.profiler.pytorch.flops import FlopsProfiler, NumParamsProfiler
from torch import nn

from nni_dna.cost import cost_tables, memory_costs
from nni_dna.cost.operations import trace_operations
from nni_dna.cost.parts import NetworkParts
from nni_dna.spaces import Chain, build_space, chain_of, without_memory
from nni_dna.spaces.chain import Architecture
from nni_dna.spaces.mbconv import ConvBN, MBConv
from nni_dna.spaces.units import units_of

sys.path.insert(0, str(Path(__file__).parent.parent / 'tests' / 'cost'))
from plain_counts import plain_cost, plain_memory  # noqa: E402

SHAPE = (3, 224, 224)
CLASSES = 1000
STRIDES = (2, 2, 2, 1, 2, 1)
LAST_CELL = '1x320'  # the only one of its block, so it has no label


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument('--architectures', type=int, default=1000)
    parser.add_argument('--fx', type=int, default=200, help='of how many networks torch.fx finds the memory')
    parser.add_argument('--seed', type=int, default=0)
    parser.add_argument('--out', type=Path, help='JSON file of the results')
    arguments = parser.parse_args()
    warnings.simplefilter('ignore')
    logging.getLogger('nni').setLevel(logging.ERROR)  # its shape inference warns of every activation
    space = without_memory(lambda: build_space('dna', {}, num_classes=CLASSES))
    chain = read(space)
    tables, memory = cost_tables(space, chain, SHAPE), memory_costs(NetworkParts(space, chain, SHAPE))
    image = torch.zeros(1, *SHAPE, device='meta')
    flops = FlopsProfiler(space, image, count_bias=False, count_normalization=False, count_activation=False)
    params = NumParamsProfiler(space, image)
    unused = {label: mutable.values[0] for label, mutable in space.simplify().items()}  # NNI wants a value for these too
    rng = np.random.default_rng(arguments.seed)
    rows = []
    for number in range(arguments.architectures):
        paths = tuple(int(rng.integers(block.paths)) for block in chain.blocks)
        architecture = chain.architecture(paths)
        with torch.device('meta'):
            network = assemble(architecture)
        cost, sample = tables.total(chain, paths), {**unused, **architecture}
        rows.append([cost.params, cost.madds, memory.total(chain, paths), *plain_cost(network, SHAPE),
                     trace_operations(network, SHAPE).peak, params.profile(sample), flops.profile(sample),
                     plain_memory(network, SHAPE) if number < arguments.fx else np.nan])
        if (number + 1) % 100 == 0:
            print(f'{number + 1} architectures, largest differences {differences(rows)}', flush=True)
    found = differences(rows)
    print(f'{len(rows)} architectures: {len({tuple(row[:3]) for row in rows})} different costs, '
          f'parameters {min(row[0] for row in rows):,} to {max(row[0] for row in rows):,}, '
          f'multiply-adds {min(row[1] for row in rows):,} to {max(row[1] for row in rows):,}, '
          f'peak memory {min(row[2] for row in rows):,} to {max(row[2] for row in rows):,} bytes')
    for name, difference in found.items():
        print(f'{name}: largest difference {difference:g}')
    if arguments.out:
        command = ' '.join(['python', *sys.argv])
        arguments.out.write_text(json.dumps({'command': command, 'torch': torch.__version__, 'largest_differences': found,
                                             'columns': ['params', 'madds', 'memory'],
                                             'from_the_tables': [row[:3] for row in rows]}) + '\n')
    if any(found.values()):
        sys.exit(1)


def read(space: nn.Module) -> Chain:
    """The chain of the space, as if the teacher had a stage of every size."""
    stages = [(unit.name, unit.size) for unit in units_of(space, SHAPE) if unit.size]
    return chain_of(space, SHAPE, stages=stages, chosen_stages=False)[0]


def assemble(architecture: Architecture) -> nn.Module:
    """The plain network of an architecture, from its layers."""
    layers: list[nn.Module] = [ConvBN(3, 32, 3, stride=2), MBConv(32, 16, 3, 1)]
    width = 16
    for block, stride in enumerate(STRIDES, start=1):
        cell = architecture.get(f'block{block}/cell', LAST_CELL)
        depth, out = map(int, cell.split('x'))
        for layer in range(1, depth + 1):
            label = f'block{block}/{cell}/layer{layer}'
            kernel, expansion = map(int, architecture[label].removeprefix('k').split('e'))
            layers.append(MBConv(width, out, kernel, expansion, stride=stride if layer == 1 else 1, residual=layer > 1))
            width = out
    return nn.Sequential(*layers, ConvBN(width, 1280, 1), nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Linear(1280, CLASSES))


def differences(rows: list[list[float]]) -> dict[str, float]:
    """The largest of each kind."""
    table = np.array(rows, dtype=np.float64)
    pairs = {'parameters, hook counter': (0, 3), 'multiply-adds, hook counter': (1, 4),
             'peak memory, whole network': (2, 5), 'peak memory, torch.fx': (2, 8),
             "parameters, NNI's profiler": (0, 6), "multiply-adds, NNI's profiler": (1, 7)}
    return {name: float(np.nanmax(np.abs(table[:, one] - table[:, other]))) for name, (one, other) in pairs.items()}


if __name__ == '__main__':
    main()
