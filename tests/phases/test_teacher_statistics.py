"""``teacher.batch_norm: train`` in a campaign: what it changes, and that nothing depends on which tasks ran."""

from __future__ import annotations

import numpy as np
import pytest
import toys
import torch
from running import open_campaign, run

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


def ratings(work, backwards=False, **changes):
    """What the tasks of a distillation give, by cell."""
    campaign = open_campaign(work, **changes)
    tasks = []
    while (task := campaign.next_task()) is not None:
        tasks.append(task)
        campaign.started(task, campaign.new_parameter_id())
    for task in reversed(tasks) if backwards else tasks:
        run(campaign, task)
    campaign.close()
    found = {}
    for file in sorted(work.rglob('ratings.npz')):
        with np.load(file) as table:
            found[str(file.parent.relative_to(work))] = table['ratings']
    assert len(found) == 3
    return found


def same(first, second):
    return first.keys() == second.keys() and all(np.array_equal(first[name], second[name]) for name in first)


def test_all_tasks_in_one_or_each_on_its_own_in_any_order_give_the_same_ratings(tmp_path, teacher):
    trained = {**teacher, 'batch_norm': 'train'}
    alone = ratings(tmp_path / 'alone', teacher=trained)
    assert same(alone, ratings(tmp_path / 'backwards', backwards=True, teacher=trained))
    assert same(alone, ratings(tmp_path / 'together', teacher=trained, distill={'tasks': 'joint'}))


def test_by_batch_other_things_are_learnt_and_rated_than_by_running_statistics(tmp_path, teacher):
    default = ratings(tmp_path / 'default', teacher=teacher)
    assert same(default, ratings(tmp_path / 'eval', teacher={**teacher, 'batch_norm': 'eval'}))
    other = ratings(tmp_path / 'train', teacher={**teacher, 'batch_norm': 'train'})
    assert not any(np.array_equal(default[name], other[name]) for name in default)


def test_by_batch_the_running_statistics_do_not_matter(tmp_path, teacher):
    torch.manual_seed(0)
    fresh = tmp_path / 'fresh.safetensors'
    save_weights(toys.Teacher(), fresh)  # the same weights before any statistics
    first, second = (ratings(tmp_path / name, teacher={'weights': weights, 'batch_norm': 'train'})
                     for name, weights in (('first', teacher['weights']), ('second', str(fresh))))
    assert same(first, second)
