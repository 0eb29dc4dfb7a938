"""A campaign that is started again on its work folder."""

from __future__ import annotations

import json

import pytest
from running import do_next, open_campaign, run, run_in_process
from work_files import ranking

from nni_dna.errors import WorkFolderError
from nni_dna.phases import run_campaign


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


def test_other_settings_are_refused_with_what_differs_and_nothing_is_touched(finished):
    def state():
        return {file: file.read_bytes() for file in finished.rglob('*') if file.is_file()}
    before = state()
    with pytest.raises(WorkFolderError, match='settings.distill.epochs: 2 became 3'):
        open_campaign(finished, distill={'epochs': 3})
    with pytest.raises(WorkFolderError, match='search_space'):
        open_campaign(finished, {'cell': {'_type': 'choice', '_value': ['deep']}})
    assert state() == before


def test_a_second_campaign_on_the_folder_is_refused_before_it_writes_anything(tmp_path):
    work = tmp_path / 'work'
    first = open_campaign(work)
    before = {file: file.read_bytes() for file in work.rglob('*') if file.is_file()}
    with pytest.raises(WorkFolderError, match='another experiment is running'):
        open_campaign(work, retrain={'epochs': 3})
    assert {file: file.read_bytes() for file in work.rglob('*') if file.is_file()} == before
    assert first.next_task().id == 'teacher/train'
