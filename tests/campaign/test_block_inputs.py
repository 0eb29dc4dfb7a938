"""Campaigns whose blocks are fed by the student: the order of their tasks, what these build on, and how they are rated."""

from __future__ import annotations

import json
import re
import shutil

import numpy as np
import pytest
import toys
import torch
from nni.nas.nn.pytorch import ModelSpace, MutableLinear
from running import SCALED, make_setup, open_campaign, run, run_in_process
from work_files import ranking
from safetensors.torch import load_file
from torch import nn

from nni_dna.campaign.tasks import Task
from nni_dna.errors import ResultError, SettingsError
from nni_dna.phases import run_campaign
from nni_dna.supernet import block_supernet

SHORT = {'retrain': {'epochs': 1}, 'search': {'top_k': 1}}
PROGRESSIVE = {'distill': {'input': 'progressive'}, **SHORT}
CASCADE = {'distill': {'input': 'cascade', 'tasks': 'joint'}, **SHORT}


class Triple(ModelSpace):
    """Three blocks."""

    def __init__(self, num_classes=4):
        super().__init__()
        self.first = toys._layer('first', 3, 4, 2)
        self.second = toys._layer('second', 4, 6, 2)
        self.third = toys._layer('third', 6, 8, 2)
        self.classifier = MutableLinear(8, num_classes)

    def forward(self, x):
        return self.classifier(self.third(self.second(self.first(x))).mean((2, 3)))


class TripleTeacher(nn.Module):
    def __init__(self, num_classes=4):
        super().__init__()
        for number, (given, width) in enumerate([(3, 4), (4, 8), (8, 12)], start=1):
            setattr(self, f'stage{number}', nn.Sequential(nn.Conv2d(given, width, 3, 2, 1), nn.BatchNorm2d(width), nn.ReLU()))
        self.classifier = nn.Linear(12, num_classes)

    def forward(self, x):
        return self.classifier(self.stage3(self.stage2(self.stage1(x))).mean((2, 3)))


TRIPLE = {'space': {'name': 'test_block_inputs.Triple'},
          'teacher': {'name': 'test_block_inputs.TripleTeacher', 'stages': ['stage1', 'stage2', 'stage3']}}


def do(campaign, task, touch=False):
    """Run a task; ``touch`` makes its result another one, as if the training had gone otherwise."""
    campaign.started(task, campaign.new_parameter_id())
    metric = run(campaign, task)
    if touch:
        result = campaign.work.root / task.id / 'result.json'
        result.write_text(result.read_text() + ' ')
        metric = campaign.work.finished_metric(task.id, task.basis)
    campaign.finished(task, metric)


def tables(work):
    return {str(file.relative_to(work)): np.load(file)['ratings'] for file in sorted(work.rglob('ratings.npz'))}


@pytest.fixture(scope='module')
def teacher_fed(tmp_path_factory):
    return run_in_process(tmp_path_factory.mktemp('teacher') / 'work', **SHORT)


@pytest.fixture(scope='module')
def progressive(tmp_path_factory):
    return run_in_process(tmp_path_factory.mktemp('progressive') / 'work', **PROGRESSIVE)


@pytest.fixture(scope='module')
def cascade(tmp_path_factory):
    return run_in_process(tmp_path_factory.mktemp('cascade') / 'work', **CASCADE)


# Order

def test_a_block_waits_for_all_tasks_of_the_one_before_and_these_run_together(tmp_path):
    campaign = open_campaign(tmp_path / 'work', **PROGRESSIVE)
    do(campaign, campaign.next_task())
    shallow = campaign.next_task()
    campaign.started(shallow, campaign.new_parameter_id())
    deep = campaign.next_task()
    campaign.started(deep, campaign.new_parameter_id())
    assert (shallow.id, deep.id) == ('distill/block1/shallow', 'distill/block1/deep')
    assert campaign.next_task() is None
    campaign.finished(shallow, run(campaign, shallow))
    assert campaign.next_task() is None
    campaign.finished(deep, run(campaign, deep))
    last = campaign.next_task()
    assert last.id == 'distill/block2/only' and last.basis not in ('', deep.basis)
    assert [task.id for task in campaign.tasks()] == ['teacher/train', shallow.id, deep.id, last.id]


def test_the_first_block_is_trained_and_rated_as_with_the_teacher_and_the_others_are_not(teacher_fed, progressive):
    ours, theirs = tables(progressive), tables(teacher_fed)
    assert ours.keys() == theirs.keys()
    for name, table in ours.items():
        assert np.array_equal(table, theirs[name]) == ('block1' in name)


# What a task builds on

@pytest.fixture(scope='module')
def triple(tmp_path_factory):
    return run_in_process(tmp_path_factory.mktemp('triple') / 'work', **TRIPLE, **PROGRESSIVE)


def spoil(work, name):
    file = work / name / 'ratings.npz'
    file.write_bytes(file.read_bytes()[:-1] + b'x')


@pytest.mark.parametrize('spoilt', [1, 2])
def test_after_a_block_became_another_the_later_do_not_count_and_the_earlier_do(triple, tmp_path, spoilt):
    work = shutil.copytree(triple, tmp_path / 'work')
    spoil(work, f'distill/block{spoilt}/only')
    campaign = open_campaign(work, **TRIPLE, **PROGRESSIVE)
    again = []
    while campaign.phase == 'distill':
        again.append(campaign.next_task().id)
        do(campaign, campaign.next_task(), touch=len(again) == 1)
    assert again == [f'distill/block{number}/only' for number in (1, 2, 3) if number >= spoilt]


def test_an_earlier_block_that_became_the_same_again_lets_the_later_count(progressive, tmp_path):
    work = shutil.copytree(progressive, tmp_path / 'work')
    spoil(work, 'distill/block1/deep')
    campaign = open_campaign(work, **PROGRESSIVE)
    assert campaign.next_task().id == 'distill/block1/deep'
    do(campaign, campaign.next_task())
    assert campaign.done
    assert ranking(work) == ranking(progressive)


def test_a_task_on_other_results_than_it_was_sent_for_fails(progressive, tmp_path):
    campaign = open_campaign(shutil.copytree(progressive, tmp_path / 'work'), **PROGRESSIVE)
    task = next(task for task in campaign.tasks() if task.id == 'distill/block2/only')
    (campaign.work.root / task.id / 'result.json').unlink()
    other = Task(phase=task.phase, name=task.name, details=task.details, basis='0' * 16)
    with pytest.raises(ResultError, match='not those that it was to build on'):
        run(campaign, other)
    spoil(campaign.work.root, 'distill/block1/shallow')
    with pytest.raises(ResultError, match='distill/block1/shallow: its result is missing or damaged'):
        run(campaign, task)


def test_an_interrupted_progressive_campaign_goes_on_where_it_was(progressive, tmp_path):
    work = tmp_path / 'work'
    for _ in range(4):
        campaign = open_campaign(work, **PROGRESSIVE)
        do(campaign, campaign.next_task())
        campaign.close()
    run_campaign(open_campaign(work, **PROGRESSIVE))
    assert ranking(work) == ranking(progressive)


# How they are rated

def load_supernet(setup, work, block, name):
    shapes = setup.shapes.inputs, setup.shapes.outputs, setup.matching.teacher_shapes
    supernet = block_supernet(setup.mutator, setup.build_space(), setup.chain, block, name, *shapes)
    supernet.load_state_dict(load_file(work / 'distill' / setup.chain.blocks[block].name / name / 'supernet.safetensors'))
    return supernet.eval()


@torch.no_grad()
def rate_by_hand(work, **changes):
    """The ratings of the best paths from the files alone: plain passes through the blocks, the formula in NumPy."""
    setup = make_setup(work, **changes)
    teacher = setup.teacher(work / 'teacher/train/teacher.safetensors')
    images = torch.cat([batch[0] for batch in setup.data.holdout()])
    x, found = images, []
    for number, (block, target) in enumerate(zip(setup.chain.blocks, teacher(images))):
        rated = {cell.supernet: np.load(work / 'distill' / block.name / cell.supernet / 'ratings.npz')['ratings']
                 for cell in block.cells}
        best = min(rated, key=lambda name: rated[name].min())
        outputs = {}
        for name, table in rated.items():
            cells = block.cells_of(name)
            path, cell = int(table.argmin()), 0
            while path >= cells[cell].paths:
                path, cell = path - cells[cell].paths, cell + 1
            outputs[name] = load_supernet(setup, work, number, name)(x, cell, cells[cell].digits(path))
            difference = np.abs((outputs[name] - target).double().numpy()).sum()
            found.append((table.min(), difference / (target.numel() * target.double().numpy().std())))
        x = outputs[best]
    return found


@pytest.mark.parametrize('changes', [
    CASCADE, {**SCALED, **PROGRESSIVE}, {**TRIPLE, **PROGRESSIVE}, {**TRIPLE, **CASCADE}],
    ids=['cascade', 'progressive, shared', 'three blocks', 'three blocks in a cascade'])
def test_each_block_is_rated_behind_the_best_paths_of_the_blocks_before(tmp_path, changes):
    work = run_in_process(tmp_path / 'work', **changes)
    found = rate_by_hand(work, **changes)
    assert len(found) >= 2
    for rated, by_hand in found:
        assert rated == pytest.approx(by_hand, rel=1e-5)


def test_a_cascade_is_one_task_that_leaves_the_files_of_every_supernet(cascade, teacher_fed):
    assert tables(cascade).keys() == tables(teacher_fed).keys()
    assert not any(np.array_equal(table, tables(teacher_fed)[name]) for name, table in tables(cascade).items())
    losses = json.loads((cascade / 'distill/all/result.json').read_text())['details']['losses']
    assert losses.keys() == {'block1/shallow', 'block1/deep', 'block2/only'}
    assert all(len(curve) == 2 and all(loss is None or loss > 0 for loss in curve) for curve in losses.values())


def test_two_cascades_with_one_seed_are_equal(cascade, tmp_path):
    again = run_in_process(tmp_path / 'work', **CASCADE)
    assert ranking(again) == ranking(cascade)


# What makes no sense

@pytest.mark.parametrize('distill, message', [
    ({'input': 'cascade'}, 'distill.tasks: expected joint with distill.input: cascade, got cell'),
    ({'input': 'progressive', 'tasks': 'joint'}, 'distill.tasks: expected cell with distill.input: progressive, got joint'),
    ({'sampling': 'fair', 'paths_per_step': 2}, 'distill.paths_per_step: expected none with distill.sampling: fair'),
    ({'epochs': 4, 'rate_every': 4}, 'distill.rate_every: expected fewer epochs than distill.epochs: 4'),
])
def test_settings_that_make_no_sense_together_are_refused(tmp_path, distill, message):
    with pytest.raises(SettingsError, match=re.escape(message)):
        make_setup(tmp_path / 'work', distill=distill)
