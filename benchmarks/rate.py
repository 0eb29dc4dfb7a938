"""How much faster is the rating with shared beginnings than a pass for every path, and how much does counting allow?

Cells of four layers of the space `dna` at 224 pixels, between feature maps of an EfficientNet-B7's widths. All paths of the cell
are rated by `PathRater`, and by the baseline: each path runs through all of its layers, its BatchNorm statistics being ready.
Both are also timed with the recalibration of these statistics on as many images: in one traversal, and, as the authors do it,
in a further pass for each path.

The machine may be busy: both sides run in turn in short slices, and the fastest of several rounds counts for each slice, by
wall-clock and by processor time. A slice is the 36 paths that begin with the same two candidates; 6 of the 36 slices run, so
that every candidate of these layers is met once. In each the baseline runs 12 paths, so that every candidate of the other two
layers is met twice, and both sides take about as long. Counting means multiply-adds, those of the 1x1 convolutions to and from
the teacher's widths included. The share is that of the slices: how many times more the baseline took there per path, over how
many times more multiply-adds. The seconds are those of the slices times the multiply-adds of the whole cell over those of the
slices.

    OMP_WAIT_POLICY=PASSIVE python -W ignore benchmarks/rate.py --threads 2 --out benchmarks/data/rate.json

With other work on the machine, threads that wait for each other without sleeping (the default) take several times as long.
"""

from __future__ import annotations

import argparse
import copy
import dataclasses
import json
import os
import platform
import sys
import time
from pathlib import Path
from typing import Any, Callable, Sequence

import numpy as np
import torch
from torch import nn
from torch.nn.modules.batchnorm import _BatchNorm

from nni_dna.cost import border_shapes
from nni_dna.cost.counter import count
from nni_dna.cost.shapes import count_layer
from nni_dna.rating import PathRater, RatingSums
from nni_dna.rating.statistics import norms_of, use
from nni_dna.spaces import Cell, build_space, chain_of
from nni_dna.spaces.build import without_memory
from nni_dna.spaces.units import units_of
from nni_dna.supernet import BlockSupernet, DNAMutator, block_supernet

IMAGE = (3, 224, 224)
TEACHER = [(48, 56, 56), (80, 28, 28), (160, 14, 14), (224, 14, 14), (384, 7, 7), (640, 7, 7)]
CELLS = {'4x40': 1, '4x80': 2, '4x112': 3, '4x192': 4}  # and their blocks, counted from 0
Seconds = tuple[float, float]
"""By wall clock and by processor time."""


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument('--cells', nargs='+', default=list(CELLS), choices=list(CELLS))
    parser.add_argument('--threads', type=int, default=2)
    parser.add_argument('--rounds', type=int, default=5)
    parser.add_argument('--out', type=Path, help='JSON file; the results of other cells in it stay')
    arguments = parser.parse_args()
    torch.set_num_threads(arguments.threads)
    print(f'{"cell":7}{"paths":>6}{"images":>7}  {"":15}{"ours":>8}{"plain":>9}{"faster":>8}{"counted":>9}'
          f'{"share":>7}{"(cpu)":>8}', flush=True)
    for name in arguments.cells:
        row = measure(name, arguments.rounds)
        for kind in ('rating', 'with statistics'):
            print(line(row, kind), flush=True)
        if arguments.out:
            keep(arguments.out, {**row, 'command': ' '.join(['python', *sys.argv]), 'python': platform.python_version(),
                                 'torch': torch.__version__, 'load': os.getloadavg()})


def keep(file: Path, row: dict[str, Any]) -> None:
    """Put a cell's result in the place of its last one."""
    rows = json.loads(file.read_text()) if file.exists() else []
    rows = sorted([*(other for other in rows if other['cell'] != row['cell']), row], key=lambda row: CELLS[row['cell']])
    file.write_text(json.dumps(rows, indent=2) + '\n')


@torch.no_grad()
def measure(name: str, rounds: int) -> dict[str, Any]:
    """Time both sides over all slices of a cell."""
    block = CELLS[name]
    supernet, cell, madds = build(block, name)
    torch.manual_seed(0)
    given = torch.randn(1, *TEACHER[block - 1])
    probe = PathRater(supernet, [dataclasses.replace(cell, subset=(cell.paths - 1,))])  # kernel 7, expansion 6 in every layer
    probe.calibrate(given)
    images = probe._pieces.size  # as many as the rater takes at a time; the baseline takes as many too
    assert images is not None
    features, target = torch.randn(images, *TEACHER[block - 1]), torch.randn(images, *TEACHER[block])
    slices = [(first, (first + 2) % 6) for first in range(6)]
    best = np.full((4, len(slices), 2), np.inf)
    run = np.zeros(2)  # multiply-adds of both sides
    difference = 0.0
    for number, beginning in enumerate(slices):
        rng = np.random.default_rng((block, *beginning))
        order = rng.permutation(6)
        paths = [(*beginning, third, int(order[(third + shift) % 6])) for shift in (0, 3) for third in range(6)]
        first = np.ravel_multi_index((*beginning, 0, 0), cell.radix)
        part = dataclasses.replace(cell, subset=tuple(range(first, first + 36)))
        run += traversed(madds, [cell.digits(path) for path in range(first, first + 36)]), plain_madds(madds, paths)
        for _ in range(rounds):
            rater, plain = PathRater(supernet, [part]), Plain(supernet, len(paths))
            ours = [seconds(lambda: rater.calibrate(features)), seconds(lambda: rate(rater, features, target))]
            theirs = [seconds(lambda: [plain.calibrate(features, path) for path in paths]),
                      seconds(lambda: [plain.add(features, target, path) for path in paths])]
            best[:, number] = np.minimum(best[:, number], [*ours, *theirs])
        expected = plain.sums.ratings(rater._spread)
        places = [np.ravel_multi_index(path, cell.radix) - first for path in paths]
        difference = max(difference, ((rater.ratings()[0][places] - expected) / expected).abs().max().item())
    all_paths = [cell.digits(path) for path in range(cell.paths)]
    whole = np.array([traversed(madds, all_paths), plain_madds(madds, all_paths)])
    total = best.sum(axis=1) * (whole / run).repeat(2)[:, None]
    return {'cell': name, 'paths': cell.paths, 'images': images, 'counted': whole[1] / whole[0],
            'largest_relative_difference': difference,
            'seconds': {side: {'wall': wall, 'cpu': cpu} for side, (wall, cpu) in
                        zip(('calibrate', 'rate', 'plain_calibrate', 'plain_rate'), total.tolist())}}


def build(block: int, name: str) -> tuple[BlockSupernet, Cell, list[list[int]]]:
    """A supernet, its cell, and the multiply-adds of every candidate of every step."""
    meta = without_memory(lambda: build_space('dna', {}, num_classes=1000))
    stages = [(unit.name, unit.size) for unit in units_of(meta, IMAGE) if unit.size]
    chain, _ = chain_of(meta, IMAGE, stages=stages, chosen_stages=False)
    shapes = border_shapes(meta, chain, IMAGE)
    torch.manual_seed(0)
    supernet = block_supernet(DNAMutator(), build_space('dna', {}, num_classes=1000), chain, block, name, shapes.inputs,
                              shapes.outputs, TEACHER)
    cell, = chain.blocks[block].cells_of(name)
    shape = TEACHER[block - 1] if block else IMAGE
    cost, shape = count(_on_meta(supernet.entry), shape)
    madds = [[cost.madds]]
    for layer in cell.layers:
        costs = [count_layer(meta, layer.name, {**chain.blocks[block].incoming, **cell.choice, **option}, shape)
                 for option in layer.options]
        madds.append([cost.madds for cost, _ in costs])
        shape = costs[0][1]
    return supernet, cell, [*madds, [count(_on_meta(supernet.exits[0]), shape)[0].madds]]


def _on_meta(module: nn.Module) -> nn.Module:
    return copy.deepcopy(module).to('meta')


def plain_madds(madds: Sequence[Sequence[int]], paths: Sequence[tuple[int, ...]]) -> int:
    """Multiply-adds per image of a pass for every path."""
    return sum(step[option] for path in paths for step, option in zip(madds, (0, *path, 0)))


def traversed(madds: Sequence[Sequence[int]], paths: Sequence[tuple[int, ...]]) -> int:
    """Multiply-adds per image of a traversal: every beginning once."""
    beginnings = {(0, *path, 0)[:length] for path in paths for length in range(1, len(madds) + 1)}
    return sum(madds[len(beginning) - 1][beginning[-1]] for beginning in beginnings)


def rate(rater: PathRater, features: torch.Tensor, target: torch.Tensor) -> None:
    """Rate a batch at once."""
    rater.add(features, target)
    rater.ratings()


class Plain:
    """The baseline: a pass of its own for every path."""

    def __init__(self, supernet: BlockSupernet, paths: int):
        self.sums = RatingSums(paths)
        self._supernet = supernet
        self._norms = norms_of(supernet)
        self._numbers: dict[tuple[int, ...], int] = {}
        self._statistics: list[list[tuple[_BatchNorm, torch.Tensor, torch.Tensor]]] = []
        self._ran: list[Any] = []

    def calibrate(self, features: torch.Tensor, path: tuple[int, ...]) -> None:
        """A pass in training mode, after which the running statistics are those of the batch."""
        ran: list[_BatchNorm] = []
        handles = [norm.register_forward_hook(lambda norm, *_: ran.append(norm)) for norm in self._norms]
        for norm in self._norms:
            norm.train().momentum = 1.0
        self._supernet(features, 0, path)
        for norm, handle in zip(self._norms, handles):
            norm.eval()
            handle.remove()
        self._numbers[path] = len(self._numbers)
        self._statistics.append([(norm, norm.running_mean.clone(), norm.running_var.clone())  # type: ignore[union-attr]
                                 for norm in ran])

    def add(self, features: torch.Tensor, target: torch.Tensor, path: tuple[int, ...]) -> None:
        """A pass in evaluation mode, and the rating."""
        number = self._numbers[path]
        use(self._statistics[number])
        self.sums.add(number, self._supernet(features, 0, path), target)


def seconds(run: Callable[[], object]) -> Seconds:
    """How long it takes."""
    wall, cpu = time.perf_counter(), time.process_time()
    run()
    return time.perf_counter() - wall, time.process_time() - cpu


def line(row: dict[str, Any], kind: str) -> str:
    """One comparison as text."""
    ours, theirs = ([row['seconds'][side + part] for part in (('rate',) if kind == 'rating' else ('calibrate', 'rate'))]
                    for side in ('', 'plain_'))
    wall, cpu = (sum(part[clock] for part in theirs) / sum(part[clock] for part in ours) for clock in ('wall', 'cpu'))
    return (f'{row["cell"]:7}{row["paths"]:6}{row["images"]:7}  {kind:15}{sum(part["wall"] for part in ours):7.1f}s'
            f'{sum(part["wall"] for part in theirs):8.1f}s{wall:8.2f}{row["counted"]:9.2f}{wall / row["counted"]:7.0%}'
            f'{cpu / row["counted"]:8.0%}')


if __name__ == '__main__':
    main()
