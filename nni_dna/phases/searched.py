"""The blocks before a task's, as their tasks left them: what feeds it where ``distill.input`` is ``progressive``."""

from __future__ import annotations

import numpy as np

from ..campaign.setup import Setup
from ..campaign.tasks import TEACHER_ID, Task, chained_basis, ratings_name, supernet_id
from ..campaign.work import WorkFolder
from ..distill import SearchedBlock, SupernetKey
from ..errors import ResultError
from ..lightning import seed_all
from ..rating import load_ratings
from ..supernet import BlockSupernet
from ..weights import load_weights
from .rating import best_of, cells_of, name_of

__all__ = ['new_supernet', 'searched_blocks']


def new_supernet(setup: Setup, key: SupernetKey) -> BlockSupernet:
    """A supernet with fresh weights.

    A seed per supernet, and nothing random after it but its weights: they do not depend on its neighbours.
    """
    seed_all(int(np.random.SeedSequence((setup.settings.seed, *key)).generate_state(1)[0]))
    return setup.supernet(setup.build_space(), key[0], name_of(setup, key))


def searched_blocks(setup: Setup, work: WorkFolder, task: Task) -> list[SearchedBlock] | None:
    """The best path by rating of each block before the task's; None where the input is another.

    Raises
    ------
    ResultError
        If these blocks' results are not those on which the task is to build.
    """
    if setup.settings.distill.input != 'progressive':
        return None
    blocks = [block.name for block in setup.chain.blocks]
    before = blocks.index(task.details['block'])
    results = [_digest(work, supernet_id(block, name)) for b, _, block, name in setup.chain.supernets() if b < before]
    teacher = _digest(work, TEACHER_ID)[:16] if setup.settings.teacher.weights == 'train' else ''
    if chained_basis(teacher, results) != task.basis:
        raise ResultError(f'{task.id}: the results of the teacher and of the blocks before it are not those that it was to build '
                          'on; start the experiment again, which runs it anew')
    return [_best_of(setup, work, [(b, s) for s in range(len(block.supernets))])
            for b, block in enumerate(setup.chain.blocks[:before])]


def _digest(work: WorkFolder, task_id: str) -> str:
    """The SHA-256 of a task's result, whose files are checked."""
    metric = work.finished_metric(task_id, None)
    if metric is None:
        raise ResultError(f'{task_id}: its result is missing or damaged; start the experiment again, which runs it anew')
    return metric['sha256']


def _best_of(setup: Setup, work: WorkFolder, keys: list[SupernetKey]) -> SearchedBlock:
    block = setup.chain.blocks[keys[0][0]]
    folders = {key: work.root / supernet_id(block, name_of(setup, key)) for key in keys}
    key, cell, path = best_of(setup, {key: load_ratings(folder / ratings_name(), cells_of(setup, key))
                                      for key, folder in folders.items()})
    supernet = new_supernet(setup, key)
    load_weights(supernet, folders[key] / 'supernet.safetensors', 'work')
    return SearchedBlock(supernet=supernet, cell=cell, path=path)
