"""``teacher.batch_norm: train`` in a campaign: what it changes, and that nothing depends on which tasks ran."""

from __future__ import annotations

import numpy as np
import pytest
import toys
import torch
from running import open_campaign, run, run_in_process

from nni_dna.weights import save_weights


@pytest.fixture(scope='module')
def teacher(tmp_path_factory):
    """Weights, with statistics of other images than those of the task."""
    torch.manual_seed(0)
    network = toys.Teacher()
    for module in network.modules():
        if isinstance(module, torch.nn.BatchNorm2d):
            module.running_mean.normal_()
            module.running_var.uniform_(0.2, 3)
    file = tmp_path_factory.mktemp('teacher') / 'teacher.safetensors'
    save_weights(network, file)
    return {'weights': str(file)}


def ratings(work):
    found = {}
    for file in sorted(work.rglob('ratings.npz')):
        with np.load(file) as table:
            found[str(file.parent.relative_to(work))] = table['ratings']
    return found


def same(first, second):
    return first.keys() == second.keys() and all(np.array_equal(first[name], second[name]) for name in first)


def test_all_tasks_in_one_or_each_on_its_own_in_any_order_give_the_same_ratings(tmp_path, teacher):
    trained = {**teacher, 'batch_norm': 'train'}
    alone = ratings(run_in_process(tmp_path / 'alone', teacher=trained))
    together = ratings(run_in_process(tmp_path / 'together', teacher=trained, distill={'tasks': 'joint'}))
    assert len(alone) == 3 and same(alone, together)
    backwards = open_campaign(tmp_path / 'backwards', teacher=trained)
    tasks = []
    while (task := backwards.next_task()) is not None and task.phase == 'distill':
        tasks.append(task)
        backwards.started(task, backwards.new_parameter_id())
    for task in reversed(tasks):
        run(backwards, task)
    assert same(alone, ratings(tmp_path / 'backwards'))


def test_by_batch_other_things_are_learnt_and_rated_than_by_running_statistics(tmp_path, teacher):
    found = {mode: ratings(run_in_process(tmp_path / mode, teacher={**teacher, 'batch_norm': mode}))
             for mode in ('eval', 'train')}
    default = ratings(run_in_process(tmp_path / 'default', teacher=teacher))
    assert same(found['eval'], default)
    assert not any(np.array_equal(found['eval'][name], found['train'][name]) for name in default)


def test_by_batch_the_running_statistics_do_not_matter(tmp_path, teacher):
    torch.manual_seed(0)
    fresh = tmp_path / 'fresh.safetensors'
    save_weights(toys.Teacher(), fresh)  # the same weights before any statistics
    first, second = (ratings(run_in_process(tmp_path / name, teacher={'weights': weights, 'batch_norm': 'train'}))
                     for name, weights in (('first', teacher['weights']), ('second', str(fresh))))
    assert same(first, second)
