"""The campaign in this process: phases, retries, and where its results come from."""

from __future__ import annotations

import itertools
import json

import numpy as np
import pytest
import toys
import torch
from running import do_next, open_campaign, rating_tables, run, run_in_process
from work_files import ranking

import nni_dna
from nni_dna.campaign.config import ConfigSetup
from nni_dna.campaign.tasks import Task
from nni_dna.campaign.work import WorkFolder
from nni_dna.errors import CampaignError, ResultError


def test_phases_follow_each_other_and_wait_for_their_tasks(tmp_path):
    campaign = open_campaign(tmp_path / 'work')
    assert campaign.phase == 'teacher'
    teacher = campaign.next_task()
    campaign.started(teacher, 0)
    assert campaign.next_task() is None  # the cells wait for the teacher
    campaign.finished(teacher, run(campaign, teacher))
    assert campaign.phase == 'distill'
    assert [do_next(campaign) for _ in range(3)] == ['distill/block1/shallow', 'distill/block1/deep', 'distill/block2/only']
    assert campaign.phase == 'retrain'
    assert [do_next(campaign) for _ in range(2)] == ['retrain/rank1', 'retrain/rank2']
    assert campaign.done and campaign.next_task() is None


def test_the_ranking_is_what_brute_force_over_the_rating_tables_finds(finished):
    campaign = open_campaign(finished)
    chain, costs = campaign.setup.chain, campaign.setup.costs
    tables = [np.concatenate([np.load(finished / 'distill' / block.name / cell.name / 'ratings.npz')['ratings']
                              for cell in block.cells]) for block in chain.blocks]
    best = sorted((sum(table[path] for table, path in zip(tables, paths)), paths)
                  for paths in itertools.product(*(range(block.paths) for block in chain.blocks)))[:2]
    for entry, (rating, paths) in zip(ranking(finished), best):
        assert entry['rating'] == rating
        assert entry['architecture'] == chain.architecture(paths)
        cost = costs.total(chain, paths)
        assert (entry['params'], entry['madds']) == (cost.params, cost.madds)
        assert 0 <= entry['accuracy'] <= 1


def test_a_limit_holds_and_fewer_architectures_than_top_k_are_enough(finished, tmp_path, caplog):
    cheapest = min(entry['params'] for entry in ranking(finished))
    work = run_in_process(tmp_path / 'work', search={'top_k': 24, 'max_params': cheapest}, retrain={'epochs': 1})
    entries = ranking(work)
    assert 0 < len(entries) < 24
    assert all(entry['params'] <= cheapest for entry in entries)
    assert 'only' in caplog.text and 'search.top_k' in caplog.text


def test_two_runs_with_one_seed_give_the_same_ranking_and_another_seed_does_not(finished, tmp_path):
    assert ranking(run_in_process(tmp_path / 'again')) == ranking(finished)
    assert ranking(run_in_process(tmp_path / 'other', seed=1)) != ranking(finished)


def test_all_cells_in_one_task_rate_as_each_in_its_own(finished, tmp_path):
    joint = run_in_process(tmp_path / 'joint', distill={'tasks': 'joint'})
    for name, table in rating_tables(finished).items():
        np.testing.assert_allclose(rating_tables(joint)[name], table, rtol=1e-6)


def test_block_trials_report_below_every_accuracy(finished):
    values = {json.loads(file.read_text())['task']: json.loads(file.read_text())['value']
              for file in finished.rglob('result.json')}
    assert all((value >= 0) == task.startswith('retrain') for task, value in values.items())


def test_a_task_fails_until_retries_are_used_up_and_then_shows_its_own_error(tmp_path):
    campaign = open_campaign(tmp_path / 'work', retries=2)
    task = campaign.next_task()
    for _ in range(2):
        campaign.started(task, campaign.new_parameter_id())
        campaign.failed(task, 'killed')
        assert campaign.next_task() == task
    campaign.started(task, campaign.new_parameter_id())
    campaign.work.write_error(task.id, 'ValueError: the trial says why')
    with pytest.raises(CampaignError, match='(?s)teacher/train failed 3 times.*ValueError: the trial says why'):
        campaign.failed(task, 'killed')


def test_a_result_other_than_the_one_reported_counts_as_a_failure(tmp_path):
    campaign = open_campaign(tmp_path / 'work')
    task = campaign.next_task()
    campaign.started(task, 0)
    metric = run(campaign, task)
    campaign.finished(task, {**metric, 'sha256': '0' * 64})
    assert campaign.next_task() == task
    campaign.finished(task, {**metric, 'task': 'distill/block1/deep'})
    assert campaign.next_task() == task
    campaign.finished(task, metric)
    assert campaign.phase == 'distill'


def test_a_trial_of_a_finished_task_reports_it_again_without_work(finished):
    campaign = open_campaign(finished)
    task = next(task for task in campaign.tasks() if task.id == 'distill/block1/deep')
    before = (finished / 'distill/block1/deep/ratings.npz').stat().st_mtime_ns
    metric = run(campaign, task, lambda value: pytest.fail('nothing is to be trained'))
    assert metric['task'] == task.id
    assert (finished / 'distill/block1/deep/ratings.npz').stat().st_mtime_ns == before


def test_a_winner_loads_as_a_plain_module_with_the_accuracy_that_was_reported(finished, monkeypatch):
    from nni.nas.nn.pytorch import MutableModule
    from nni_dna.retrain import accuracy
    monkeypatch.setattr(toys, 'images', None)  # no data is needed to load a winner
    network = nni_dna.load(finished, rank=2)
    monkeypatch.undo()
    assert not any(isinstance(module, MutableModule) for child in network.children() for module in child.modules())
    setup = ConfigSetup.from_record(WorkFolder(finished).record(), finished)
    assert accuracy(network, 4, setup.data.test()) == pytest.approx(ranking(finished)[1]['accuracy'])
    with pytest.raises(ResultError, match='rank 3'):
        nni_dna.load(finished, rank=3)


def test_given_weights_leave_the_teacher_phase_out(tmp_path):
    torch.save(toys.Teacher().state_dict(), tmp_path / 'teacher.pt')
    campaign = open_campaign(tmp_path / 'work', teacher={'weights': 'teacher.pt'})
    assert campaign.phase == 'distill'
    assert do_next(campaign) == 'distill/block1/shallow'


def test_a_task_survives_the_way_through_trial_parameters():
    task = Task(phase='retrain', name='rank1', details={'rank': 1, 'architecture': {'a': 'k3'}}, basis='abc')
    assert Task.from_parameters(json.loads(json.dumps(task.parameters('/work')))) == task
