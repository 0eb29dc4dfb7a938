"""What ``nni-dna show`` says during and after a campaign."""

from __future__ import annotations

import json

from running import make_setup, open_campaign, run, run_in_process

from nni_dna.campaign.progress import read_progress
from nni_dna.campaign.work import WorkFolder
from nni_dna.cli import main
from nni_dna.show import show


def test_during_the_run_phase_counts_running_tasks_and_time_left_are_shown(tmp_path):
    campaign = open_campaign(tmp_path / 'work')
    assert 'time left    not known yet' in show(tmp_path / 'work')
    teacher = campaign.next_task()
    campaign.started(teacher, 0)
    campaign.finished(teacher, run(campaign, teacher))
    campaign.started(campaign.next_task(), 1)
    text = show(tmp_path / 'work')
    for part in ('phase        distill', 'teacher    1 of 1', 'distill    0 of 3', 'running    distill/block1/shallow', 'about'):
        assert part in text


def test_the_time_left_is_the_mean_time_of_what_is_left_over_what_runs_at_once(tmp_path):
    work = WorkFolder(tmp_path / 'work')
    work.claim(make_setup(tmp_path / 'work').record(), tmp_path)
    events = [{'event': 'opened', 'time': 0, 'finished': [], 'phase': 'distill', 'tasks': {'distill': 5}},
              {'event': 'started', 'time': 0, 'task': 'distill/a'}, {'event': 'started', 'time': 0, 'task': 'distill/b'},
              {'event': 'finished', 'time': 10, 'task': 'distill/a', 'phase': 'distill'},
              {'event': 'finished', 'time': 30, 'task': 'distill/b', 'phase': 'distill'},
              {'event': 'started', 'time': 30, 'task': 'distill/c'}, {'event': 'started', 'time': 30, 'task': 'distill/d'}]
    whole = [{'version': 1, 'parameter_id': 0, 'basis': '', 'sha256': '', 'value': 0.0, **event} for event in events]
    work.journal.path.write_text(''.join(json.dumps(event) + '\n' for event in whole))
    progress = read_progress(work)
    assert progress.counts == {'distill': (2, 5)}
    assert progress.seconds_left(now=40) == (3 * 20 - 2 * 10) / 2


def test_after_the_run_the_ranking_is_shown(tmp_path, capsys):
    work = run_in_process(tmp_path / 'work')
    assert main(['show', str(work)]) == 0
    text = capsys.readouterr().out
    assert 'phase        done' in text and 'the best of 24 architectures' in text and 'time left' not in text
    for entry in json.loads((work / 'ranking.json').read_text())['ranking']:
        assert f'{entry["accuracy"]:.2%}' in text


def test_a_failure_is_shown_until_something_else_happens(tmp_path):
    campaign = open_campaign(tmp_path / 'work')
    task = campaign.next_task()
    campaign.started(task, 0)
    campaign.failed(task, 'it was killed')
    assert 'it was killed' in show(tmp_path / 'work')
    campaign.started(task, 1)
    assert 'it was killed' not in show(tmp_path / 'work')
