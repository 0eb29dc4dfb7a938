"""The campaign in this process: phases, journal, restart, retries, and where its results come from."""

from __future__ import annotations

import itertools
import json

import numpy as np
import pytest
import toys
import torch
from nni.nas.nn.pytorch import LayerChoice, ModelSpace, MutableLinear, Repeat
from torch import nn
from running import make_setup, open_campaign, rating_tables, run, run_in_process

import nni_dna
from nni_dna.campaign.config import ConfigSetup
from nni_dna.campaign.tasks import Task
from nni_dna.campaign.work import WorkFolder
from nni_dna.errors import CampaignError, ResultError, WorkFolderError
from nni_dna.phases import run_campaign

SCALED = {'space': {'name': 'toys.Scaled'}}
KERNELS = ('k1', 'k3')


class Mixed(ModelSpace):
    """One block whose cells take turns between two supernets: a depth, and then one of two chains."""

    def __init__(self, num_classes=4):
        super().__init__()
        self.first = toys._layer('first', 3, 4, 4)
        self.more = Repeat(lambda index: toys._layer(f'more{index}', 4, 4, 1), (0, 1), label='more')
        self.last = LayerChoice({name: nn.Sequential(toys._layer(name, 4, 4, 1)) for name in 'xy'}, label='cell')
        self.classifier = MutableLinear(4, num_classes)

    def forward(self, x):
        return self.classifier(self.last(self.more(self.first(x))).mean((2, 3)))


def do_next(campaign):
    task = campaign.next_task()
    campaign.started(task, campaign.new_parameter_id())
    campaign.finished(task, run(campaign, task))
    return task.id


def ranking_file(work):
    return json.loads((work / 'ranking.json').read_text())


def ranking(work):
    return ranking_file(work)['ranking']


@pytest.fixture(scope='module')
def finished(tmp_path_factory):
    return run_in_process(tmp_path_factory.mktemp('finished') / 'work')


@pytest.fixture(scope='module')
def scaled(tmp_path_factory):
    """Of the space whose supernets have several cells, with stages that are found."""
    return run_in_process(tmp_path_factory.mktemp('scaled') / 'work', **SCALED, teacher={'stages': None})


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


def test_the_ranking_of_shared_supernets_is_what_brute_force_over_their_tables_finds(scaled):
    tables = rating_tables(scaled)
    assert {name: len(table) for name, table in tables.items()} == {
        'distill/block1/only/ratings.npz': 12, 'distill/block2/only/ratings.npz': 6}
    first = [{'more': more, 'width': width, 'first': one, **other} for more in (0, 1) for width in (3, 5) for one in KERNELS
             for other in ([{'more0': kernel} for kernel in KERNELS] if more else [{}])]
    second = [{'last': last, 'down': one, **other} for last in (0, 1) for one in KERNELS
              for other in ([{'last0': kernel} for kernel in KERNELS] if last else [{}])]
    best = sorted(((a + b, {**one, **other}) for a, one in zip(tables['distill/block1/only/ratings.npz'], first)
                   for b, other in zip(tables['distill/block2/only/ratings.npz'], second)), key=lambda pair: pair[0])
    assert len(best) == 72
    assert [(entry['rating'], entry['architecture']) for entry in ranking(scaled)] == best[:2]
    for entry in ranking(scaled):
        network = toys.Scaled().freeze(entry['architecture'])  # by NNI
        assert entry['params'] == sum(weight.numel() for weight in network.parameters())


def test_a_winner_of_shared_supernets_loads_and_runs_as_it_was_ranked(scaled):
    for entry in ranking(scaled):
        network = nni_dna.load(scaled, rank=entry['rank']).eval()
        images = torch.rand(2, 3, 16, 16)
        plain = toys.Scaled().freeze(entry['architecture']).eval()
        plain.load_state_dict(network.state_dict())
        assert torch.equal(network(images), plain(images))


def test_cells_that_take_turns_between_supernets_get_their_own_ratings(tmp_path):
    work = run_in_process(tmp_path / 'work', space={'name': 'test_campaign.Mixed'}, teacher={'stages': ['stage2']},
                          search={'top_k': 24}, retrain={'epochs': 1})
    tables = rating_tables(work)
    assert {name: len(table) for name, table in tables.items()} == {
        f'distill/block1/{name}/ratings.npz': 12 for name in 'xy'}
    expected = []
    for name in 'xy':
        architectures = [{'more': more, 'cell': name, 'first': one, **other, name: last} for more in (0, 1) for one in KERNELS
                         for other in ([{'more0': kernel} for kernel in KERNELS] if more else [{}]) for last in KERNELS]
        expected += zip(tables[f'distill/block1/{name}/ratings.npz'], architectures)
    expected.sort(key=lambda pair: pair[0])
    assert [(entry['rating'], entry['architecture']) for entry in ranking(work)] == expected


def test_depths_and_widths_are_cells_of_one_task_a_block(tmp_path):
    campaign = open_campaign(tmp_path / 'work', **SCALED)
    assert [task.id for task in campaign.tasks()] == ['teacher/train', 'distill/block1/only', 'distill/block2/only']


def test_two_runs_over_shared_supernets_give_equal_ratings_winners_and_accuracies(scaled, tmp_path):
    again = run_in_process(tmp_path / 'work', **SCALED, teacher={'stages': None})
    assert ranking_file(again) == ranking_file(scaled)
    for name, table in rating_tables(scaled).items():
        np.testing.assert_array_equal(rating_tables(again)[name], table)
    losses = [json.loads((work / 'distill/block1/only/result.json').read_text())['details'] for work in (scaled, again)]
    assert losses[0] == losses[1]


def test_stages_that_are_found_give_what_the_same_stages_named_give(scaled, tmp_path):
    named = run_in_process(tmp_path / 'work', **SCALED)
    assert ranking_file(named) == ranking_file(scaled)


def test_shared_supernets_in_one_task_rate_as_each_in_its_own(scaled, tmp_path):
    joint = rating_tables(run_in_process(tmp_path / 'joint', **SCALED, distill={'tasks': 'joint'}))
    assert joint.keys() == rating_tables(scaled).keys()
    for name, table in rating_tables(scaled).items():
        np.testing.assert_allclose(joint[name], table, rtol=1e-6)


def test_the_ranking_file_says_how_many_paths_there_are_and_all_are_rated(finished, scaled):
    assert ranking_file(finished)['architectures_in_space'] == 24
    assert ranking_file(finished)['paths'] == {'block1': {'rated': 6, 'of': 6}, 'block2': {'rated': 4, 'of': 4}}
    assert ranking_file(scaled)['architectures_in_space'] == 72
    assert ranking_file(scaled)['paths'] == {'block1': {'rated': 12, 'of': 12}, 'block2': {'rated': 6, 'of': 6}}


def test_of_too_many_paths_a_sample_is_rated_as_if_all_were_and_ranked_alone(scaled, tmp_path, caplog):
    part = run_in_process(tmp_path / 'work', **SCALED, rate={'max_paths': 5})
    assert ranking_file(part)['architectures_in_space'] == 72
    assert ranking_file(part)['paths'] == {'block1': {'rated': 5, 'of': 12}, 'block2': {'rated': 5, 'of': 6}}
    assert 'block1: 5 of its 12 paths are rated, chosen at random (rate.max_paths)' in caplog.text
    blocks = make_setup(part, **SCALED, rate={'max_paths': 5}).chain.blocks
    rated = []
    for block, full in zip(blocks, make_setup(scaled, **SCALED).chain.blocks):
        name = f'distill/{block.name}/only/ratings.npz'
        numbers, before = [], 0
        for cell in full.cells:
            kept = next(other for other in block.cells if other.name == cell.name)
            numbers += [before + path for path in (range(cell.paths) if kept.subset is None else kept.subset)]
            before += cell.paths
        np.testing.assert_array_equal(rating_tables(part)[name], rating_tables(scaled)[name][numbers])
        rated.append(rating_tables(part)[name])
    best = sorted(a + b for a in rated[0] for b in rated[1])
    assert [entry['rating'] for entry in ranking(part)] == best[:2]


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


def test_a_restart_goes_on_where_the_journal_ends_and_repeats_nothing(finished, tmp_path):
    work = tmp_path / 'work'
    campaign = open_campaign(work)
    done = [do_next(campaign) for _ in range(2)]
    interrupted = campaign.next_task()
    campaign.started(interrupted, campaign.new_parameter_id())
    with (work / 'journal.jsonl').open('a') as file:
        file.write('{"event": "finished", "task": "distill/bl')  # a crash in the middle of a line
    del campaign  # a dead process holds no lock
    again = open_campaign(work)
    assert again.next_task().id == interrupted.id
    assert again.new_parameter_id() == 3
    run_campaign(again)
    events = [json.loads(line) for line in (work / 'journal.jsonl').read_text().splitlines()]
    assert [event['task'] for event in events if event['event'] == 'finished'].count(done[1]) == 1
    assert ranking(work) == ranking(finished)


def test_what_a_trial_finished_while_nobody_listened_counts_after_a_restart(finished, tmp_path):
    work = tmp_path / 'work'
    campaign = open_campaign(work)
    unheard = []
    for _ in range(6):  # every trial ends well, and each time the campaign dies before it hears
        task = campaign.next_task()
        campaign.started(task, campaign.new_parameter_id())
        run(campaign, task)
        unheard.append(task.id)
        campaign.close()
        campaign = open_campaign(work)
    assert campaign.done
    assert len(set(unheard)) == 6
    assert ranking(work) == ranking(finished)


def test_a_damaged_file_is_not_read_and_its_task_is_run_again(finished, tmp_path):
    work = run_in_process(tmp_path / 'work')
    table = work / 'distill' / 'block1' / 'deep' / 'ratings.npz'
    table.write_bytes(table.read_bytes()[:-1] + b'x')
    campaign = open_campaign(work)
    assert campaign.next_task().id == 'distill/block1/deep'
    run_campaign(campaign)
    assert ranking(work) == ranking(finished)


def test_after_the_teacher_changed_nothing_that_it_taught_counts(tmp_path):
    work = run_in_process(tmp_path / 'work')
    weights = work / 'teacher' / 'train' / 'teacher.safetensors'
    weights.write_bytes(weights.read_bytes()[:-1] + b'x')
    campaign = open_campaign(work)
    assert campaign.phase == 'teacher'
    task = campaign.next_task()
    campaign.started(task, campaign.new_parameter_id())
    metric = run(campaign, task)
    result = work / 'teacher' / 'train' / 'result.json'
    result.write_text(result.read_text() + ' ')  # as if it had become another one
    metric = campaign.work.finished_metric(task.id)
    campaign.finished(task, metric)
    assert campaign.next_task().id == 'distill/block1/shallow'


def test_another_recipe_retrains_the_same_winners_and_distils_nothing_again(finished, tmp_path):
    work = run_in_process(tmp_path / 'work')
    before = ranking(work)
    campaign = open_campaign(work, retrain={'epochs': 3})
    assert campaign.next_task().details['rank'] == 1
    assert [entry['accuracy'] for entry in ranking(work)] == [None, None]
    run_campaign(campaign)
    assert [entry['architecture'] for entry in ranking(work)] == [entry['architecture'] for entry in before]
    campaign.close()
    open_campaign(work)  # with the first recipe again, whose networks are still there
    assert ranking(work) == before


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


def test_other_settings_are_refused_with_what_differs_and_nothing_is_touched(finished):
    def state():
        return {file: file.read_bytes() for file in finished.rglob('*') if file.is_file()}
    before = state()
    with pytest.raises(WorkFolderError, match='settings.distill.epochs: 2 became 3'):
        open_campaign(finished, distill={'epochs': 3})
    with pytest.raises(WorkFolderError, match='search_space'):
        open_campaign(finished, {'cell': {'_type': 'choice', '_value': ['deep']}})
    assert state() == before


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


def test_a_second_campaign_on_the_folder_is_refused_before_it_writes_anything(tmp_path):
    work = tmp_path / 'work'
    first = open_campaign(work)
    before = {file: file.read_bytes() for file in work.rglob('*') if file.is_file()}
    with pytest.raises(WorkFolderError, match='another experiment is running'):
        open_campaign(work, retrain={'epochs': 3})
    assert {file: file.read_bytes() for file in work.rglob('*') if file.is_file()} == before
    assert first.next_task().id == 'teacher/train'


def test_given_weights_leave_the_teacher_phase_out(tmp_path):
    torch.save(toys.Teacher().state_dict(), tmp_path / 'teacher.pt')
    campaign = open_campaign(tmp_path / 'work', teacher={'weights': 'teacher.pt'})
    assert campaign.phase == 'distill'
    assert do_next(campaign) == 'distill/block1/shallow'


def test_a_task_survives_the_way_through_trial_parameters():
    task = Task(phase='retrain', name='rank1', details={'rank': 1, 'architecture': {'a': 'k3'}}, basis='abc')
    assert Task.from_parameters(json.loads(json.dumps(task.parameters('/work')))) == task
