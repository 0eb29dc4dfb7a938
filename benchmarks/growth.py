"""How do the times of the rating and of the exact search grow with the layers of a block and the candidates of a layer?

Small blocks: 8 channels, 8x8 pixels, candidates that are inverted residuals of kernel 3 and expansions 1, 2, 3 and so on. All
paths of one block are rated on 32 images, BatchNorm statistics included. The search finds the best of all combinations of six
such blocks, ratings being uniformly random, under a limit of multiply-adds halfway between the smallest and the largest
network. Processor seconds, one thread, the smallest of some runs. Prints a table and, if asked, writes JSON and a picture.

    python -W ignore benchmarks/growth.py --out benchmarks/data/growth.json --picture docs/images/growth.png
"""

from __future__ import annotations

import argparse
import json
import platform
import sys
import time
from pathlib import Path
from typing import Any, Callable

import numpy as np
import torch

from nni_dna.cost import cost_tables
from nni_dna.rating import PathRater
from nni_dna.search import BlockTable, search
from nni_dna.spaces import DNASpace, chain_of
from nni_dna.spaces.build import without_memory
from nni_dna.spaces.units import units_of
from nni_dna.supernet import DNAMutator, block_supernet

IMAGE, MAP, BLOCKS, MADDS = (3, 8, 8), (8, 8, 8), 6, 1


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument('--layers', type=int, nargs='+', default=[1, 2, 3, 4, 5])
    parser.add_argument('--candidates', type=int, nargs='+', default=[2, 3, 4, 5, 6, 7, 8])
    parser.add_argument('--seeds', type=int, default=5, help='searches with different ratings; the table shows the mean')
    parser.add_argument('--out', type=Path, help='JSON file of the results')
    parser.add_argument('--picture', type=Path, help='PNG file')
    arguments = parser.parse_args()
    torch.set_num_threads(1)
    rows = []
    print(f'{"layers":>6}{"candidates":>11}{"paths":>8}{"layer runs":>11}{"plain":>9}{"rating s":>10}{"ms/path":>9}'
          f'{"architectures":>15}{"search ms":>11}', flush=True)
    for layers in arguments.layers:
        for candidates in arguments.candidates:
            rows.append(measure(layers, candidates, arguments.seeds))
            print(line(rows[-1]), flush=True)
    if arguments.out:
        result = {'command': ' '.join(['python', *sys.argv]), 'python': platform.python_version(), 'torch': torch.__version__,
                  'rows': rows}
        arguments.out.write_text(json.dumps(result, indent=2) + '\n')
    if arguments.picture:
        draw(rows, arguments.picture)


def measure(layers: int, candidates: int, seeds: int) -> dict[str, Any]:
    """Both times for one size of block."""
    def build() -> DNASpace:
        return DNASpace(blocks=[{'stride': 1, 'cells': [f'{layers}x{MAP[0]}']}] * BLOCKS, kernel_sizes=[3],
                        expansions=range(1, candidates + 1), stem_width=MAP[0], stem_stride=1, first_width=0, head_width=8,
                        num_classes=2)

    meta = without_memory(build)
    stages = [(unit.name, unit.size) for unit in units_of(meta, IMAGE) if unit.size]
    paths = candidates ** layers
    chain, _ = chain_of(meta, IMAGE, stages=stages, chosen_stages=False, max_paths=paths)
    costs = cost_tables(meta, chain, IMAGE)
    torch.manual_seed(0)
    supernet = block_supernet(DNAMutator(), build(), chain, 1, 'only', [[MAP]] * BLOCKS, [[MAP]] * BLOCKS, [MAP] * BLOCKS)
    features, target = torch.randn(32, *MAP), torch.randn(32, *MAP)

    def rate() -> None:
        rater = PathRater(supernet, chain.blocks[1].cells)
        rater.calibrate(features)
        rater.add(features, target)
        assert rater.ratings()[0].isfinite().all()

    rating = fastest(rate, 3 if paths < 1000 else 1)
    return {'layers': layers, 'candidates': candidates, 'paths': paths, 'rating_seconds': rating,
            'layer_runs': sum(candidates ** depth for depth in range(1, layers + 1)), 'plain_layer_runs': layers * paths,
            'architectures': float(paths) ** BLOCKS,
            'search_seconds': [fastest(searching(costs.blocks, seed), 3) for seed in range(seeds)]}


def searching(costs: Any, seed: int) -> Callable[[], object]:
    """A search with random ratings."""
    rng = np.random.default_rng(seed)
    tables = [BlockTable(ratings=rng.random(table.shape[1]), costs=table, border=np.zeros(table.shape[1], dtype=np.int64))
              for table in (np.asarray(table, dtype=np.float64) for table in costs)]
    totals = [sum(end(table.costs[0, :, MADDS]) for table in tables) for end in (np.min, np.max)]
    return lambda: search(tables, limits=[np.inf, sum(totals) / 2])


def fastest(run: Callable[[], object], times: int) -> float:
    """Processor seconds."""
    found = []
    for _ in range(times):
        start = time.process_time()
        run()
        found.append(time.process_time() - start)
    return min(found)


def line(row: dict[str, Any]) -> str:
    """One size as text."""
    return (f'{row["layers"]:6}{row["candidates"]:11}{row["paths"]:8,}{row["layer_runs"]:11,}{row["plain_layer_runs"]:9,}'
            f'{row["rating_seconds"]:10.3f}{1e3 * row["rating_seconds"] / row["paths"]:9.2f}{row["architectures"]:15.1e}'
            f'{1e3 * np.mean(row["search_seconds"]):11.1f}')


def draw(rows: list[dict[str, Any]], file: Path) -> None:
    """Both times against the number of paths, which layers and candidates make together; one line per number of layers."""
    import matplotlib
    matplotlib.use('Agg')
    from matplotlib import pyplot as plt
    figure, (left, right) = plt.subplots(1, 2, figsize=(9, 3.6), layout='constrained')
    for layers in sorted({row['layers'] for row in rows}):
        own = [row for row in rows if row['layers'] == layers]
        paths = [row['paths'] for row in own]
        label = f'{layers} layer{"s" if layers > 1 else ""}'
        left.plot(paths, [row['rating_seconds'] for row in own], 'o-', ms=4, label=label)
        right.plot(paths, [1e3 * float(np.mean(row['search_seconds'])) for row in own], 'o-', ms=4, label=label)
    ends = np.array([min(row['paths'] for row in rows), max(row['paths'] for row in rows)])
    largest = max(rows, key=lambda row: row['paths'])
    left.plot(ends, ends * largest['rating_seconds'] / largest['paths'], 'k:', lw=1, label='proportional')
    left.set(title='Rating of a block', ylabel='seconds')
    right.set(title='Exact search over six blocks', ylabel='milliseconds', ylim=(0, None))
    left.set_yscale('log')
    for axes in (left, right):
        axes.set(xscale='log', xlabel='paths per block (candidates to the power of layers)')
        axes.grid(alpha=0.3)
    left.legend(fontsize=8)
    figure.savefig(file, dpi=110)


if __name__ == '__main__':
    main()
