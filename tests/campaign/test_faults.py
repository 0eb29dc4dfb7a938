"""What a fault leaves: finished work, one clear error, and the ranking of an undisturbed campaign. See also benchmarks/faults."""

from __future__ import annotations

import errno
import json
import os
import random
import threading
import time

import numpy as np
import pytest
import toys
import torch
from running import Interrupted, open_campaign, rating_tables, run_in_process, run_until

from nni_dna.campaign.progress import read_progress
from nni_dna.campaign.work import WorkFolder
from nni_dna.errors import OutOfMemoryError, TrainingError, WorkFolderError
from nni_dna.phases import run_campaign


def outcome(work):
    return json.loads((work / 'ranking.json').read_text())['ranking'], {
        name: table.tolist() for name, table in rating_tables(work).items()}


def started(work):
    lines = [json.loads(line) for line in (work / 'journal.jsonl').read_text().splitlines()]
    return [line['task'] for line in lines if line['event'] == 'started']


def finish(work):
    campaign = open_campaign(work)
    run_campaign(campaign)
    campaign.close()


@pytest.fixture(scope='module')
def undisturbed(tmp_path_factory):
    return outcome(run_in_process(tmp_path_factory.mktemp('undisturbed') / 'work'))


def run_into(work, error, match):
    campaign = open_campaign(work)
    with pytest.raises(error, match=match):
        run_campaign(campaign)
    campaign.close()


def test_a_full_disk_gives_one_error_in_each_phase_and_nothing_finished_is_done_again(tmp_path, monkeypatch, undisturbed):
    work, replace = tmp_path / 'work', os.replace
    for file in ('teacher.safetensors', 'ratings.npz', '.ckpt', 'model.safetensors'):
        def refuse(source, target):
            if str(target).endswith(file):
                raise OSError(errno.ENOSPC, 'No space left on device')
            replace(source, target)
        monkeypatch.setattr(os, 'replace', refuse)
        run_into(work, WorkFolderError, 'cannot be written: No space left on device; make room, or make its folder writable')
    monkeypatch.setattr(os, 'replace', replace)
    finish(work)
    assert outcome(work) == undisturbed
    assert not list(work.rglob('.*')), 'files that were begun are taken away'
    for task in ('teacher/train', 'distill/block1/shallow', 'retrain/rank1'):
        assert started(work).count(task) == 2 + (task == 'retrain/rank1')
    assert started(work).count('distill/block2/only') == 1


@pytest.mark.parametrize('number', [errno.EROFS, errno.EPERM, errno.EACCES])
def test_a_folder_that_became_read_only_is_told_as_such(tmp_path, monkeypatch, number):
    def refuse(self, *args, **kwargs):
        raise OSError(number, os.strerror(number))
    work = WorkFolder(tmp_path)
    monkeypatch.setattr(type(tmp_path), 'open', refuse)
    for write in (lambda: work.write_ranking({}), lambda: work.journal.append('started')):
        with pytest.raises(WorkFolderError, match=f'cannot be written: {os.strerror(number)}; make room, or make its folder'):
            write()


def test_a_trial_that_cannot_write_even_its_error_still_raises_it(tmp_path, monkeypatch):
    def refuse(source, target):
        raise OSError(errno.ENOSPC, 'No space left on device')
    campaign = open_campaign(tmp_path / 'work')
    monkeypatch.setattr(os, 'replace', refuse)
    with pytest.raises(WorkFolderError, match='teacher.safetensors cannot be written'):
        run_campaign(campaign)


def test_a_journal_that_cannot_be_synced_is_one_error_and_can_be_gone_on_with(tmp_path, monkeypatch, undisturbed):
    work, fsync = tmp_path / 'work', os.fsync
    campaign = open_campaign(work)

    def refuse(file):
        raise OSError(errno.ENOSPC, 'full')
    monkeypatch.setattr(os, 'fsync', refuse)
    with pytest.raises(WorkFolderError, match='journal.jsonl cannot be written: full'):
        run_campaign(campaign)
    campaign.close()
    monkeypatch.setattr(os, 'fsync', fsync)
    finish(work)
    assert outcome(work) == undisturbed


def test_files_that_were_cut_off_make_their_tasks_run_again_and_no_others(tmp_path, undisturbed):
    work = run_in_process(tmp_path / 'work', search={'top_k': 1})
    campaign = open_campaign(work)
    with pytest.raises(Interrupted):
        run_until(campaign, campaign.next_task(), stop_at=2)
    before, rng = started(work), random.Random(0)
    cut = ['distill/block1/deep/ratings.npz', 'distill/block1/shallow/result.json', 'retrain/rank1/model.safetensors']
    for file in [*(work / name for name in cut), *work.glob('retrain/rank2/*.ckpt')]:
        file.write_bytes(file.read_bytes()[:rng.randrange(file.stat().st_size)])
    finish(work)
    assert sorted(started(work)[len(before):]) == ['distill/block1/deep', 'distill/block1/shallow', 'retrain/rank1',
                                                   'retrain/rank2']
    assert outcome(work) == undisturbed


def test_a_loss_that_is_no_number_names_the_remedy_and_leaves_no_table(tmp_path, monkeypatch, undisturbed):
    work, forward = tmp_path / 'work', toys.Teacher.forward
    monkeypatch.setattr(toys.Teacher, 'forward', lambda self, x: forward(self, x if self.training else x * float('inf')))
    run_into(work, TrainingError, r'loss of block 1, supernet 1, became nan; lower distill\.lr')
    assert not list(work.rglob('ratings.npz'))
    monkeypatch.setattr(toys.Teacher, 'forward', forward)
    finish(work)
    assert outcome(work) == undisturbed


def test_memory_that_is_short_is_one_error_with_its_remedy(tmp_path, monkeypatch, undisturbed):
    work, forward = tmp_path / 'work', toys.Teacher.forward
    campaign = open_campaign(work)
    monkeypatch.setattr(toys.Teacher, 'forward', lambda self, x: torch.empty(1 << 46))
    with pytest.raises(OutOfMemoryError, match='teacher/train: expected memory .*, got RuntimeError: .*; lower the batch size'):
        run_campaign(campaign)
    campaign.close()
    monkeypatch.setattr(toys.Teacher, 'forward', forward)
    finish(work)
    assert outcome(work) == undisturbed


def test_a_clock_that_jumps_changes_nothing(tmp_path, monkeypatch, undisturbed):
    work, rng, real = tmp_path / 'work', np.random.default_rng(0), time.time
    monkeypatch.setattr(time, 'time', lambda: real() + rng.uniform(-1e8, 1e8))
    run_in_process(work)
    found = read_progress(WorkFolder(work))
    assert found.phase == 'done' and all(seconds > 0 for values in found.durations.values() for seconds in values)
    assert found.seconds_left(0.0) == 0
    assert outcome(work) == undisturbed


def test_of_two_trials_of_a_task_the_second_waits_for_the_first(tmp_path):
    work, order = WorkFolder(tmp_path), []

    def second():
        with WorkFolder(tmp_path).alone('distill/a'):
            order.append('second')
    thread = threading.Thread(target=second)
    with work.alone('distill/a'):
        with work.alone('distill/b'):
            thread.start()
            thread.join(0.2)
        order.append('first')
    thread.join(10)
    assert order == ['first', 'second']


def test_an_interrupted_trial_that_ends_before_its_start_is_heard_of_leaves_no_task_running(tmp_path, undisturbed):
    """NNI's manager starts it again on resuming, and only then tells of it; it may have had nothing left to do."""
    work = tmp_path / 'work'
    campaign = open_campaign(work)
    task = campaign.next_task()
    campaign.started(task, campaign.new_parameter_id())
    run_until(campaign, task)
    campaign = open_campaign(work)
    campaign.finished(task, WorkFolder(work).finished_metric(task.id, task.basis))
    campaign.started(task, campaign.new_parameter_id())
    run_campaign(campaign)
    campaign.close()
    assert outcome(work) == undisturbed and started(work).count(task.id) == 1
