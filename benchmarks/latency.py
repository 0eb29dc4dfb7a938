"""How well does the sum of measured layers say what whole networks take? Random architectures of the paper's space at 224 pixels.

Layers and whole networks are measured in turn, so that whatever else the machine does meanwhile falls on both: in each round
every layer once and every network once; then the medians over the rounds. On a machine that is busy otherwise a long run is
interrupted more often than a short one, so --cpu-time counts the process's own time, which is the same on an idle machine where
there is one thread. glibc gives large blocks of memory back and asks for them again, in some networks in every pass, which took
about a quarter of the time there; the two variables make it keep them. Prints the correlations and the errors, writes JSON, and
with --plot a scatter plot (needs matplotlib).

    MALLOC_TRIM_THRESHOLD_=1073741824 MALLOC_MMAP_THRESHOLD_=1073741824 \\
    python benchmarks/latency.py --architectures 50 --rounds 5 --out benchmarks/data/latency.json --plot docs/images/latency.png
"""

from __future__ import annotations

import argparse
import json
import os
import statistics
import time
from pathlib import Path
from typing import Any

import numpy as np
import torch
from scipy import stats

from costs import SHAPE, assemble, read
from nni_dna.cost.latency import Conditions, Latencies, device_name, measure, median_ms, with_weights
from nni_dna.cost import cost_tables
from nni_dna.cost.parts import NetworkParts
from nni_dna.spaces import build_space, without_memory


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument('--architectures', type=int, default=50)
    parser.add_argument('--rounds', type=int, default=5)
    parser.add_argument('--device', default='cpu')
    parser.add_argument('--batch-size', type=int, default=1)
    parser.add_argument('--threads', type=int, default=1)
    parser.add_argument('--cpu-time', action='store_true', help="count the process's own time: for one thread on a busy machine")
    parser.add_argument('--seed', type=int, default=0)
    parser.add_argument('--out', type=Path, help='JSON file of the results')
    parser.add_argument('--plot', type=Path, help='image file')
    arguments = parser.parse_args()
    conditions = Conditions(device=arguments.device, batch_size=arguments.batch_size, threads=arguments.threads)
    clock = time.process_time if arguments.cpu_time else None
    space = without_memory(lambda: build_space('dna', {}, num_classes=1000))
    chain = read(space)
    parts = NetworkParts(space, chain, SHAPE)
    tables = cost_tables(space, chain, SHAPE)
    rng = np.random.default_rng(arguments.seed)
    drawn = [tuple(int(rng.integers(block.paths)) for block in chain.blocks) for _ in range(arguments.architectures)]
    needed = {trace.key: trace for paths in drawn for trace in parts.of(paths)}
    print(f'{len(needed)} different parts of {len(drawn)} networks', flush=True)
    layers: list[Latencies] = []
    networks: list[list[float]] = [[] for _ in drawn]
    for number in range(arguments.rounds):
        layers.append(measure(needed.values(), conditions, rounds=1, clock=clock))
        for times, paths in zip(networks, drawn):
            with torch.device('meta'):
                network = assemble(chain.architecture(paths))
            times.append(median_ms(with_weights(network, conditions.device), SHAPE, conditions, seconds=0.5, clock=clock))
        print(f'round {number + 1} of {arguments.rounds}', flush=True)
    ms = {key: statistics.median(measured.parts[key]['ms'] for measured in layers) for key in needed}
    predicted = [sum(ms[trace.key] for trace in parts.of(paths)) for paths in drawn]
    measured = [statistics.median(times) for times in networks]
    madds = [tables.total(chain, paths).madds for paths in drawn]
    result = {'allocator': {name: value for name, value in os.environ.items() if name.startswith('MALLOC_')},
              'conditions': vars(conditions), 'clock': 'cpu time' if arguments.cpu_time else 'wall',
              'machine': device_name(conditions.device), 'torch': torch.__version__,
              'parts': len(needed), 'rounds': arguments.rounds, **agreement(predicted, measured),
              'multiply_adds_instead': {'pearson': float(stats.pearsonr(madds, measured)[0]),
                                        'spearman': float(stats.spearmanr(madds, measured)[0])},
              'predicted_ms': predicted, 'measured_ms': measured, 'madds': madds}
    print({name: value for name, value in result.items() if not isinstance(value, list)})
    if arguments.out:
        arguments.out.write_text(json.dumps(result) + '\n')
    if arguments.plot:
        plot(result, arguments.plot)


def agreement(predicted: list[float], measured: list[float]) -> dict[str, float]:
    """Correlations, and how far the prediction is off: in the median, and in the median once it is scaled as a whole."""
    ratio = np.array(predicted) / np.array(measured)
    return {'pearson': float(stats.pearsonr(predicted, measured)[0]), 'spearman': float(stats.spearmanr(predicted, measured)[0]),
            'median_absolute_relative_error': float(np.median(np.abs(ratio - 1))), 'median_ratio': float(np.median(ratio)),
            'median_absolute_relative_error_scaled': float(np.median(np.abs(ratio / np.median(ratio) - 1)))}


def plot(result: dict[str, Any], file: Path) -> None:
    """Predicted against measured."""
    import matplotlib
    matplotlib.use('Agg')
    from matplotlib import pyplot
    figure, axes = pyplot.subplots(figsize=(5, 5))
    axes.scatter(result['measured_ms'], result['predicted_ms'], s=18)
    times = result['measured_ms'] + result['predicted_ms']
    ends = [min(times) * 0.97, max(times) * 1.03]
    axes.plot(ends, ends, color='grey', linewidth=1)
    axes.set(xlim=ends, ylim=ends, aspect='equal', xlabel='measured, whole network (ms)', ylabel='sum of measured layers (ms)',
             title=f'{len(result["measured_ms"])} random architectures\nPearson {result["pearson"]:.3f}, '
                   f'Spearman {result["spearman"]:.3f}')
    figure.tight_layout()
    figure.savefig(file, dpi=110)


if __name__ == '__main__':
    main()
