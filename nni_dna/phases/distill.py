"""Distil some supernets and rate all of their paths."""

from __future__ import annotations

import copy
from contextlib import contextmanager
from pathlib import Path
from typing import Iterator, Mapping, Sequence

import torch

from ..campaign.setup import Setup
from ..campaign.tasks import Task, distils, ratings_name, supernet_id
from ..campaign.work import WorkFolder
from ..distill import BlockwiseDistillation, SupernetKey
from ..errors import TrainingError
from ..lightning import compute_device, interruptible, seed_all
from ..rating import save_ratings
from ..supernet import BlockSupernet
from ..weights import save_weights
from .outcome import Outcome, Report
from .rating import best_path, cells_of, name_of, rate
from .searched import new_supernet, searched_blocks
from .teacher import staged_teacher

__all__ = ['distill']


def distill(setup: Setup, work: WorkFolder, task: Task, report: Report) -> Outcome:
    """Train and rate the supernets that the task names."""
    teacher = staged_teacher(setup, work)
    searched = searched_blocks(setup, work, task)
    supernets = _supernets(setup, task)
    losses: dict[SupernetKey, list[float | None]] = {key: [] for key in supernets}
    rated: dict[int, list[Path]] = {}  # by epoch

    def keep(means: dict[SupernetKey, float]) -> None:
        for key, curve in losses.items():
            curve.append(means.get(key))
        report(sum(means.values()) / len(means))
        epoch, every = trainer.current_epoch + 1, setup.settings.distill.rate_every
        if every is not None and epoch % every == 0 and epoch != trainer.max_epochs:
            with setup.data.undisturbed() as images:  # and a copy: rating overwrites the statistics of BatchNorm
                tables = rate(setup, images, teacher, copy.deepcopy(supernets), searched, module.device)
            teacher.train()
            rated[epoch] = _save(setup, work, tables, ratings_name(epoch))

    seed_all(setup.settings.seed)  # the images come in the same order whichever supernets train
    module = BlockwiseDistillation(teacher, supernets, setup.settings.distill, setup.settings.seed, keep, searched)
    trainer = setup.make_trainer()
    teacher.train()  # only teacher.batch_norm takes note of it
    if setup.settings.distill.compile_teacher:
        teacher.compile()
    with interruptible(trainer), _compiling():
        trainer.fit(module, setup.data.distillation())
    tables = rate(setup, setup.data, teacher, supernets, searched, compute_device())
    files = _save(setup, work, tables, ratings_name()) + [file for saved in rated.values() for file in saved]
    for key, supernet in supernets.items():
        files.append(_folder(setup, work, key) / 'supernet.safetensors')
        save_weights(supernet, files[-1])
    details = {'losses': {_full_name(setup, key): curve for key, curve in losses.items()}}
    return Outcome(value=-sum(best_path(setup, key, ratings)[0] for key, ratings in tables.items()), files=files,
                   details={**details, 'rated_epochs': list(rated)} if rated else details)


@contextmanager
def _compiling() -> Iterator[None]:
    """Say what to do where torch.compile fails, whose errors have no public root."""
    try:
        yield
    except Exception as error:
        if type(error).__module__.startswith(('torch._dynamo', 'torch._inductor')):
            raise TrainingError(f'distill.compile_teacher: expected a teacher, a device and a compiler that torch.compile can '
                                f'use, got {type(error).__name__}: {error}; leave it out') from error
        raise


def _save(setup: Setup, work: WorkFolder, tables: Mapping[SupernetKey, Sequence[torch.Tensor]], name: str) -> list[Path]:
    """Write a rating table for each supernet."""
    files = []
    for key, ratings in tables.items():
        files.append(_folder(setup, work, key) / name)
        save_ratings(files[-1], cells_of(setup, key), [part.numpy() for part in ratings])
    return files


def _folder(setup: Setup, work: WorkFolder, key: SupernetKey) -> Path:
    return work.task_folder(supernet_id(setup.chain.blocks[key[0]], name_of(setup, key)))


def _full_name(setup: Setup, key: SupernetKey) -> str:
    return f'{setup.chain.blocks[key[0]].name}/{name_of(setup, key)}'


def _supernets(setup: Setup, task: Task) -> dict[SupernetKey, BlockSupernet]:
    return {(b, s): new_supernet(setup, (b, s)) for b, s, block, name in setup.chain.supernets() if distils(task, block, name)}
