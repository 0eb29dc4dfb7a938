"""(b) Architectures of equal multiply-adds: what each reaches when trained alone, and what the ratings say of them."""

from __future__ import annotations

import json
import time
from pathlib import Path
from typing import Any

import numpy as np

from images import CifarImages
from nni_dna.files import write_atomically
from study import StudySetup, make_setup, train_alone

__all__ = ['SECTIONS', 'draw', 'train_sample', 'Sample']

MADDS, TOLERANCE = 450_000, 0.05

_CELLS = [{'stride': 2, 'cells': ['2x4', '2x8']}, {'stride': 2, 'cells': ['1x16', '2x4', '2x16']},
          {'stride': 1, 'cells': ['1x24', '2x8', '2x24']}]
"""The cells of the space ``digits``; the last block keeps its 4x4 pixels."""

SECTIONS: dict[str, Any] = {
    'teacher': {'name': 'networks.SmallResNet', 'args': {'width': 32, 'depth': 2}, 'stages': ['stage2', 'stage3.0', 'stage3'],
                'epochs': 6, 'lr': 4e-3},
    'space': {'name': 'dna', 'args': {'blocks': _CELLS, 'stem_width': 8, 'first_width': 0, 'head_width': 64, 'dropout': 0.0}},
    'retrain': {'recipe': 'quick'},
}


def draw(setup: StudySetup, count: int, seed: int = 0) -> list[dict[str, Any]]:
    """Different architectures of equal cost: a cell of each block at random, then a path of it, kept if the cost fits.

    Parameters
    ----------
    setup
        The study.
    count
        How many.
    seed
        Of the draws.
    """
    rng, found = np.random.default_rng(seed), dict[tuple[int, ...], dict[str, Any]]()
    while len(found) < count:
        cells = [int(rng.integers(len(block.cells))) for block in setup.chain.blocks]
        paths = tuple(int(block.first_path(cell) + rng.integers(block.cells[cell].paths))
                      for block, cell in zip(setup.chain.blocks, cells))
        cost = setup.costs.total(setup.chain, paths)
        if abs(cost.madds / MADDS - 1) <= TOLERANCE:
            found.setdefault(paths, {'architecture': setup.chain.architecture(paths), 'params': cost.params,
                                     'madds': cost.madds})
    return list(found.values())


class Sample:
    """What is known of the sampled architectures, in a file that is written after each training.

    Parameters
    ----------
    file
        JSON; goes on from it where it is there.
    setup
        The study.
    count
        How many architectures.
    """

    def __init__(self, file: Path, setup: StudySetup, count: int):
        self._file = file
        drawn = draw(setup, count)
        self.rows: list[dict[str, Any]] = json.loads(file.read_text())['rows'] if file.is_file() else []
        for row, fresh in zip(self.rows, drawn):
            assert row['architecture'] == fresh['architecture'], f'{file} has another sample'
        self.rows += [{**row, 'accuracy': {}} for row in drawn[len(self.rows):]]

    def save(self, **about: Any) -> None:
        """Write it, whole or not at all."""
        write_atomically(self._file, json.dumps({**about, 'rows': self.rows}, indent=1).encode() + b'\n')


def train_sample(sample: Sample, setup: StudySetup, images: CifarImages, epochs: int, seeds: int) -> None:
    """Train every architecture with every seed that it has no accuracy of; all with the first seed first."""
    for seed in range(seeds):
        for number, row in enumerate(sample.rows):
            if str(seed) not in row['accuracy']:
                started = time.process_time()
                row['accuracy'][str(seed)] = round(train_alone(setup, row['architecture'], images, epochs, seed), 4)
                sample.save(epochs=epochs, images=len(images.distillation()) * images.batch_size)
                print(f'seed {seed}, {number + 1} of {len(sample.rows)}: {row["accuracy"][str(seed)]:.4f} '
                      f'({time.process_time() - started:.0f} s of CPU)', flush=True)
