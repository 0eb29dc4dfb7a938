"""Distil some supernets and rate all of their paths."""

from __future__ import annotations

import numpy as np
import torch

from ..campaign.setup import Setup
from ..campaign.tasks import Task, supernet_id
from ..campaign.work import WorkFolder
from ..data import images_of
from ..errors import TrainingError
from ..distill import BlockwiseDistillation, SupernetKey
from ..lightning import compute_device, interruptible, seed_all
from ..rating import PathRater, save_ratings
from ..spaces import Cell
from ..supernet import BlockSupernet, block_supernet
from ..teacher import StagedTeacher
from ..weights import save_weights
from .outcome import Outcome, Report
from .teacher import trained_teacher

__all__ = ['calibration_images', 'distill']


def distill(setup: Setup, work: WorkFolder, task: Task, report: Report) -> Outcome:
    """Train and rate the supernets that the task names."""
    trained = trained_teacher(work) if setup.settings.teacher.weights == 'train' else None
    teacher = setup.teacher(trained)
    supernets = _supernets(setup, task)
    losses: dict[str, list[float]] = {'/'.join(_names(setup, key)): [] for key in supernets}

    def keep(means: dict[SupernetKey, float]) -> None:
        for key, mean in means.items():
            losses['/'.join(_names(setup, key))].append(mean)
        report(sum(means.values()) / len(means))

    seed_all(setup.settings.seed)  # the images come in the same order whichever supernets train
    module = BlockwiseDistillation(teacher, supernets, setup.settings.distill, setup.settings.seed, keep)
    trainer = setup.make_trainer()
    with interruptible(trainer):
        trainer.fit(module, setup.data.distillation())
    best, files = 0.0, []
    for key, ratings in _rate(setup, teacher, supernets).items():
        block, name = setup.chain.blocks[key[0]], _names(setup, key)[1]
        folder = work.task_folder(supernet_id(block, name))
        save_ratings(folder / 'ratings.npz', _cells(setup, key), [part.numpy() for part in ratings])
        save_weights(supernets[key], folder / 'supernet.safetensors')
        files += [folder / 'ratings.npz', folder / 'supernet.safetensors']
        together = torch.cat(ratings)
        finite = together[together.isfinite()]
        if not len(finite):
            raise TrainingError(f'{block.name}, cell {name}: no path gives a finite feature map; lower distill.lr')
        best += finite.min().item()
    return Outcome(value=-best, files=files, details={'losses': losses})


def _names(setup: Setup, key: SupernetKey) -> tuple[str, str]:
    block = setup.chain.blocks[key[0]]
    return block.name, block.supernets[key[1]]


def _cells(setup: Setup, key: SupernetKey) -> tuple[Cell, ...]:
    return setup.chain.blocks[key[0]].cells_of(_names(setup, key)[1])


def _supernets(setup: Setup, task: Task) -> dict[SupernetKey, BlockSupernet]:
    wanted = task.details
    shapes = setup.shapes.inputs, setup.shapes.outputs, setup.matching.teacher_shapes
    supernets = {}
    for b, s, block, name in setup.chain.supernets():
        if wanted['block'] in (block.name, 'all') and wanted['cell'] in (name, 'all'):
            # A seed per supernet, and nothing random after it but its weights: they do not depend on its neighbours.
            seed_all(int(np.random.SeedSequence((setup.settings.seed, b, s)).generate_state(1)[0]))
            supernets[b, s] = block_supernet(setup.mutator, setup.build_space(), setup.chain, b, name, *shapes)
    return supernets


@torch.no_grad()
def _rate(setup: Setup, teacher: StagedTeacher,
          supernets: dict[SupernetKey, BlockSupernet]) -> dict[SupernetKey, list[torch.Tensor]]:
    """The ratings of all paths by cell, from one teacher pass a batch."""
    device = compute_device()
    teacher.to(device)
    raters = {key: PathRater(supernet.to(device), _cells(setup, key)) for key, supernet in supernets.items()}
    images = calibration_images(setup).to(device)
    maps = [images, *teacher(images)]
    for (block, _), rater in raters.items():
        rater.calibrate(maps[block])
    for batch in setup.data.holdout():
        images = images_of(batch).to(device)
        maps = [images, *teacher(images)]
        for (block, _), rater in raters.items():
            rater.add(maps[block], maps[block + 1])
    return {key: rater.ratings() for key, rater in raters.items()}


def calibration_images(setup: Setup) -> torch.Tensor:
    """(images, channels, height, width) From which each path's BatchNorm statistics are taken."""
    wanted = setup.settings.rate.calibration_images
    batches, count = [], 0
    for batch in setup.data.calibration():
        images = images_of(batch)
        batches.append(images)
        count += len(images)
        if count >= wanted:
            break
    return torch.cat(batches)[:wanted]
