"""A NasExperiment with DNA that failed, was interrupted, or is started once more on its work folder."""

from __future__ import annotations

import signal

import pytest
import strategy_toys
import toys
import torch
from nni.nas.experiment import NasExperiment
from nni.nas.experiment.config import SequentialEngineConfig
from strategy_runs import TASKS, fail_in, running
from strategy_toys import evaluator, experiment, run, strategy
from work_files import events, ranking

from nni_dna.campaign.locks import lock_folder
from nni_dna.errors import CampaignError, WorkFolderError


def test_a_second_experiment_on_a_finished_folder_trains_nothing(work, teacher, monkeypatch):
    run(experiment(strategy(work, teacher)))
    before = {file: file.read_bytes() for file in work.rglob('*.*') if file.is_file() and file.name != 'journal.jsonl'}
    again = experiment(strategy(work, teacher, retries=5, threads=2))
    assert run(again) is True
    assert events(work, 'started') == TASKS
    assert before == {file: file.read_bytes() if file.name != 'settings.json' else before[file] for file in before}
    assert [model.metric for model in again.export_top_models(2)] == [entry['accuracy'] for entry in ranking(work)]


def test_an_experiment_of_nnis_is_resumed_where_it_was(work, teacher, monkeypatch):
    monkeypatch.setattr(strategy_toys, 'seen', lambda: fail_in(work, 'distill/block2/only'))
    first = experiment(strategy(work, teacher, retries=0))
    with pytest.raises(CampaignError):
        run(first)
    monkeypatch.undo()
    strategy_toys.keep_apart(monkeypatch, work.parent)
    resumed = NasExperiment(toys.Space(), evaluator(), strategy(work, teacher, retries=0), first.config, id=first.id)
    try:
        assert resumed.resume() is True
    finally:
        resumed.stop()
    assert events(work, 'finished') == TASKS


def test_the_state_is_where_the_work_folder_is(work, tmp_path, teacher):
    one = strategy(work, teacher)
    torch.save(one.state_dict(), tmp_path / 'state.torch')
    state = torch.load(tmp_path / 'state.torch')
    assert state == {'work': str(work)}
    one.load_state_dict(state)
    with pytest.raises(WorkFolderError, match=f"^work: the experiment to go on with is in {work}, got .*DNA\\(work='{work}'\\)"):
        strategy(tmp_path / 'other', teacher).load_state_dict(state)


def test_the_folder_is_free_for_others_once_an_experiment_ends(work, teacher, monkeypatch):
    monkeypatch.setattr(strategy_toys, 'seen', lambda: lock_folder(work) if events(work, 'started') else None)
    held = experiment(strategy(work, teacher, retries=0))
    with pytest.raises(CampaignError, match='WorkFolderError: .*another experiment is running'):
        run(held)
    lock_folder(work).close()


def test_an_experiment_whose_time_is_up_says_so_and_goes_on_later(work, teacher):
    with pytest.raises(CampaignError, match='the experiment ended before distill/block1/deep could be started; .*max_experiment'):
        late = experiment(strategy(work, teacher))
        late.config.execution_engine = SequentialEngineConfig(max_duration=1e-6)
        run(late)
    assert events(work, 'finished') == TASKS[:1]
    assert run(experiment(strategy(work, teacher))) is True
    assert events(work, 'finished') == TASKS


@pytest.mark.parametrize('task', ['distill/block1/deep', 'retrain/rank1'])
@pytest.mark.parametrize('go_on', [False, True], ids=['', 'continue_on_failure'])
def test_a_task_that_fails_once_is_run_again(work, teacher, finished, monkeypatch, task, go_on):
    def fail_once():
        if not events(work, 'failed'):
            fail_in(work, task)

    monkeypatch.setattr(strategy_toys, 'seen', fail_once)
    given = experiment(strategy(work, teacher))
    given.config.execution_engine = SequentialEngineConfig(continue_on_failure=go_on)
    assert run(given) is True
    assert events(work, 'failed') == [task]
    assert sorted(events(work, 'started')) == sorted([*TASKS, task])
    assert ranking(work) == ranking(finished.work)


@pytest.mark.parametrize(['task', 'own'], [('distill/block1/shallow', 'DataError: train_dataloaders: reading the first batch f'),
                                           ('retrain/rank2', 'Traceback')])
@pytest.mark.parametrize('retries', [0, 1])
def test_a_task_that_always_fails_ends_the_experiment_with_its_own_error(work, teacher, monkeypatch, task, own, retries):
    monkeypatch.setattr(strategy_toys, 'seen', lambda: fail_in(work, task))
    with pytest.raises(CampaignError, match=f'^{task} failed {retries + 1} times, more than retries: {retries}') as caught:
        run(experiment(strategy(work, teacher, retries=retries)))
    assert f"The trial's own error:\n{own}" in str(caught.value) and 'OSError: the disk is gone' in str(caught.value)
    assert events(work, 'failed') == [task] * (retries + 1)
    assert task not in events(work, 'finished')


def test_what_was_finished_before_a_failure_is_not_done_again(work, teacher, finished, monkeypatch):
    monkeypatch.setattr(strategy_toys, 'seen', lambda: fail_in(work, 'distill/block2/only'))
    with pytest.raises(CampaignError):
        run(experiment(strategy(work, teacher, retries=0)))
    monkeypatch.setattr(strategy_toys, 'seen', lambda: None)
    assert run(experiment(strategy(work, teacher))) is True
    assert events(work, 'finished') == TASKS
    assert ranking(work) == ranking(finished.work)


def interrupt_in(work, task):
    if running(work) == task:
        raise KeyboardInterrupt


@pytest.mark.parametrize('task', ['teacher/train', 'distill/block1/deep', 'retrain/rank1'])
def test_after_ctrl_c_a_new_experiment_goes_on(work, teacher, finished, monkeypatch, task):
    teacher = toys.Teacher if task == 'teacher/train' else teacher
    handler = signal.getsignal(signal.SIGINT)
    monkeypatch.setattr(strategy_toys, 'seen', lambda: interrupt_in(work, task))
    stopped = experiment(strategy(work, teacher))
    assert run(stopped) is None  # NNI's way to say so
    assert signal.getsignal(signal.SIGINT) is handler
    assert events(work, 'started')[-1] == task and task not in events(work, 'finished')
    assert events(work, 'failed') == []
    done = events(work, 'finished')
    monkeypatch.setattr(strategy_toys, 'seen', lambda: None)
    assert run(experiment(strategy(work, teacher))) is True  # while the first is still there, as in a notebook
    assert events(work, 'finished')[:len(done)] == done
    assert sorted(events(work, 'finished')) == sorted((['teacher/train'] if teacher is toys.Teacher else []) + TASKS)
    if task != 'teacher/train':
        assert ranking(work) == ranking(finished.work)
