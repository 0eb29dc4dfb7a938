"""Distil the supernets of some cells and rate all of their paths."""

from __future__ import annotations

import numpy as np
import torch

from ..campaign.setup import Setup
from ..campaign.tasks import Task, cell_id
from ..campaign.work import WorkFolder
from ..errors import TrainingError
from ..distill import BlockwiseDistillation, CellKey
from ..lightning import compute_device, make_trainer, seed_all
from ..rating import PathRater, save_ratings
from ..supernet import CellSupernet, DNAMutator, cell_supernet
from ..teacher import StagedTeacher
from ..weights import save_weights
from .outcome import Outcome, Report
from .teacher import trained_teacher

__all__ = ['distill']


def distill(setup: Setup, work: WorkFolder, task: Task, report: Report) -> Outcome:
    """Train and rate the cells that the task names."""
    trained = trained_teacher(work) if setup.settings.teacher.weights == 'train' else None
    teacher = setup.teacher(trained)
    supernets = _supernets(setup, task)
    losses: dict[str, list[float]] = {_name(setup, key): [] for key in supernets}

    def keep(means: dict[CellKey, float]) -> None:
        for key, mean in means.items():
            losses[_name(setup, key)].append(mean)
        report(sum(means.values()) / len(means))

    seed_all(setup.settings.seed)  # the images come in the same order whichever cells train
    module = BlockwiseDistillation(teacher, supernets, setup.settings.distill, setup.settings.seed, keep)
    make_trainer(setup.settings.distill.epochs).fit(module, setup.data.distillation())
    best, files = 0.0, []
    for key, ratings in _rate(setup, teacher, supernets).items():
        block = setup.chain.blocks[key[0]]
        cell = block.cells[key[1]]
        folder = work.task_folder(cell_id(block, cell))
        save_ratings(folder / 'ratings.npz', cell, ratings.numpy())
        save_weights(supernets[key], folder / 'supernet.safetensors')
        files += [folder / 'ratings.npz', folder / 'supernet.safetensors']
        finite = ratings[ratings.isfinite()]
        if not len(finite):
            raise TrainingError(f'{block.name}, cell {cell.name}: no path gives a finite feature map; lower distill.lr')
        best += finite.min().item()
    return Outcome(value=-best, files=files, details={'losses': losses})


def _name(setup: Setup, key: CellKey) -> str:
    block = setup.chain.blocks[key[0]]
    return f'{block.name}/{block.cells[key[1]].name}'


def _supernets(setup: Setup, task: Task) -> dict[CellKey, CellSupernet]:
    wanted = task.details
    shapes = setup.costs.input_shapes, setup.costs.output_shapes, setup.teacher_shapes
    supernets = {}
    for b, c, block, cell in setup.chain.cells():
        if wanted['block'] in (block.name, 'all') and wanted['cell'] in (cell.name, 'all'):
            # A seed per cell, and nothing random after it but the cell: its weights do not depend on its neighbours.
            seed_all(int(np.random.SeedSequence((setup.settings.seed, b, c)).generate_state(1)[0]))
            supernets[b, c] = cell_supernet(DNAMutator(), setup.build_space(), setup.chain, b, c, *shapes)
    return supernets


@torch.no_grad()
def _rate(setup: Setup, teacher: StagedTeacher, supernets: dict[CellKey, CellSupernet]) -> dict[CellKey, torch.Tensor]:
    """The ratings of all paths, from one teacher pass a batch."""
    device = compute_device()
    teacher.to(device)
    raters = {key: PathRater(supernet.to(device)) for key, supernet in supernets.items()}
    images = _calibration_images(setup).to(device)
    maps = [images, *teacher(images)]
    for (block, _), rater in raters.items():
        rater.calibrate(maps[block])
    for batch, _ in setup.data.holdout():
        batch = batch.to(device)
        maps = [batch, *teacher(batch)]
        for (block, _), rater in raters.items():
            rater.add(maps[block], maps[block + 1])
    return {key: rater.ratings() for key, rater in raters.items()}


def _calibration_images(setup: Setup) -> torch.Tensor:
    wanted = setup.settings.rate.calibration_images
    batches, count = [], 0
    for images, _ in setup.data.calibration():
        batches.append(images)
        count += len(images)
        if count >= wanted:
            break
    return torch.cat(batches)[:wanted]
