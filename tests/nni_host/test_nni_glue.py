"""The NNI face without a manager: the command line, the rows of trials, the trial command."""

from __future__ import annotations

import base64
import json
import subprocess
import sys
import threading
import time
import types

import nni
import pytest
import yaml
import toys

import nni_dna
from nni_dna import trial
from nni_dna.advisor import DNAClassArgsValidator
from nni_dna.assignment import TrialAssigner, take_assignment
from nni_dna.campaign.tasks import Task
from nni_dna.errors import ResultError, SettingsError
from nni_dna.manager import Manager, Row, config_folder
from nni_dna.strategy.interrupted import InterruptedTrials
from nni_dna.strategy.task import DNATask, assignment


class Rows:
    """A manager whose rows the test sets."""

    def __init__(self, **rows):
        self._rows = rows

    def set(self, **rows):
        """By trial: status and what was sent."""
        self._rows = rows

    def experiment(self):
        return {'id': 'exp'}

    def rows(self):
        return [Row(trial=trial, status=status, sent=sent) for trial, (status, sent) in self._rows.items()]


def row(status, attempt, task):
    """A row of a NasExperiment's."""
    return status, {'parameter_id': 0, 'parameters': {**task.parameters('/work'), 'attempt': attempt, 'parts': ''}}


def wait_for(condition, seconds=10):
    deadline = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < deadline
        time.sleep(0.05)


def test_each_trial_gets_the_parameters_of_its_own_row(tmp_path):
    rows = Rows()
    assigner = TrialAssigner(rows, tmp_path, lambda sent: (sent['parameter_id'], sent['parameters']))
    assigner.expect(0)
    assigner.expect(1)
    taken = {}
    waiting = threading.Thread(target=lambda: taken.update(take_assignment(tmp_path, 'exp', 'B')))
    waiting.start()
    time.sleep(0.1)
    rows.set(A=('RUNNING', {'parameter_id': 0, 'parameters': {'task': 'a'}}),
             B=('RUNNING', {'parameter_id': 1, 'parameters': {'task': 'b'}}),
             C=('RUNNING', {'parameter_id': 7, 'parameters': {'task': 'of another campaign'}}))
    waiting.join(10)
    assert taken == {'task': 'b'}
    assert take_assignment(tmp_path, 'exp', 'A') == {'task': 'a'}
    assert not (tmp_path / 'trials' / 'exp.C.json').exists()


def test_a_superseded_trial_ends_at_once_and_well_and_reports_nothing(tmp_path, monkeypatch):
    assigner = TrialAssigner(Rows(A=('RUNNING', {'parameter_id': 0, 'parameters': {'task': 'distill/block1/only'}})), tmp_path,
                             lambda sent: (sent['parameter_id'], sent['parameters']))
    (tmp_path / 'trials' / 'exp.A.json').write_text('{"task": "distill/block1/only"}')  # from before an interruption
    assigner.supersede(0)
    wait_for(lambda: take_assignment(tmp_path, 'exp', 'A') is None)

    reported = []
    monkeypatch.setattr(nni, 'get_next_parameter', lambda: {'task': 'distill/block1/only', 'work': str(tmp_path)})
    monkeypatch.setattr(nni, 'get_experiment_id', lambda: 'exp')
    monkeypatch.setattr(nni, 'get_trial_id', lambda: 'A')
    monkeypatch.setattr(nni, 'report_final_result', reported.append)
    assert trial.main() == 0
    sent = DNATask(tmp_path, Task(phase='distill', name='block1/only'), {}, {}, '')
    sent.sent = True
    monkeypatch.setattr('nni_dna.strategy.task.trial_env_vars', types.SimpleNamespace(NNI_PLATFORM='local'))
    sent.execute()
    assert reported == []


def test_interrupted_trials_are_taken_over_before_the_manager_has_started_them_again(tmp_path):
    tasks = [Task(phase='distill', name=name, basis='new') for name in ('a', 'b', 'c', 'd')]
    other = Task(phase='distill', name='a', basis='of another teacher')
    rows = Rows(A=row('ADD_RESUMED', 'first', tasks[0]), A2=row('ADD_RESUMED', 'again', tasks[0]),
                B=row('RUNNING', 'second', tasks[1]), C=row('FAILED', 'third', tasks[2]), O=row('WAITING', 'fourth', other))
    assigner = TrialAssigner(rows, tmp_path, assignment)
    interrupted = InterruptedTrials(rows, assigner)
    assert interrupted.take_over(tasks) == tasks[:2]
    wait_for(lambda: len(list((tmp_path / 'trials').iterdir())) == 4)
    assert Task.from_parameters(take_assignment(tmp_path, 'exp', 'A')) == tasks[0]
    assert Task.from_parameters(take_assignment(tmp_path, 'exp', 'B')) == tasks[1]
    assert take_assignment(tmp_path, 'exp', 'A2') is None  # one trial is enough
    assert take_assignment(tmp_path, 'exp', 'O') is None
    assert interrupted.ended() == []

    rows.set(A=row('SUCCEEDED', 'first', tasks[0]), A2=row('SUCCEEDED', 'again', tasks[0]), B=row('UNKNOWN', 'second', tasks[1]))
    assert interrupted.ended() == [(tasks[0], True)]
    rows.set(B=row('USER_CANCELED', 'second', tasks[1]))
    assert interrupted.ended() == [(tasks[1], False)]
    assert interrupted.ended() == []


def test_a_trial_that_is_left_without_a_row_gives_up_with_the_reason(tmp_path, monkeypatch):
    monkeypatch.setattr('nni_dna.assignment._PATIENCE', 0.5)
    with pytest.raises(ResultError, match='is the work folder on storage that this machine shares'):
        take_assignment(tmp_path, 'exp', 'A')


@pytest.mark.parametrize(['config', 'folder'], [
    ({'tuner': {'codeDirectory': '/a'}, 'trialCodeDirectory': '/b'}, '/a'),
    ({'tuner': {'name': 'DNA'}, 'trialCodeDirectory': '/b'}, '/b'),
])
def test_relative_paths_are_relative_to_the_folder_that_nni_was_given(config, folder):
    encoded = base64.b64encode(json.dumps(config).encode()).decode()
    assert str(config_folder(['nni', '--exp_params', encoded])) == folder


@pytest.mark.parametrize(['channel', 'api'], [
    ('ws://localhost:8080/tuner', 'http://localhost:8080/api/v1/nni'),
    ('ws://localhost:8080/my/prefix/tuner', 'http://localhost:8080/my/prefix/api/v1/nni'),
])
def test_the_rest_interface_is_beside_the_command_channel(channel, api):
    assert Manager(channel).api == api


def test_the_trial_command_outside_nni_says_how_to_start():
    done = subprocess.run([sys.executable, '-m', 'nni_dna.trial'], capture_output=True, text=True)
    assert done.returncode == 2
    assert 'nnictl create' in done.stderr and 'Traceback' not in done.stderr


def test_the_meta_file_for_nnis_registry_names_what_exists(tmp_path):
    from pathlib import Path
    meta = yaml.safe_load((Path(nni_dna.__file__).parent / 'nni_meta' / 'dna.yml').read_text())
    assert meta['builtinName'] == 'DNA'
    assert meta['className'] == 'nni_dna.DNAAdvisor' and nni_dna.DNAAdvisor
    DNAClassArgsValidator().validate_class_args(**toys.settings(tmp_path / 'work'))
    with pytest.raises(SettingsError, match='nearest known: teacher'):
        DNAClassArgsValidator().validate_class_args(**toys.settings(tmp_path / 'work', teachr={}))


def test_a_trial_that_ends_before_the_advisor_is_ready_is_heard(monkeypatch):
    """A resumed manager starts interrupted trials at once, while the advisor still checks its settings."""
    from nni.runtime import msg_dispatcher_base
    from nni.runtime.env_vars import dispatcher_env_vars

    from nni_dna.advisor import DNAAdvisor
    monkeypatch.setattr(msg_dispatcher_base, 'load', msg_dispatcher_base.load)  # put back after the test
    monkeypatch.setattr('nni_dna.advisor.dispatcher_env_vars',
                        dispatcher_env_vars._replace(NNI_TUNER_COMMAND_CHANNEL='ws://localhost:1/tuner'))
    monkeypatch.setattr(msg_dispatcher_base.MsgDispatcherBase, '__init__', lambda self: setattr(self, 'stopping', False))
    advisor, heard = DNAAdvisor(), []
    task = {'phase': 'teacher', 'task': 'teacher/train', 'basis': '', 'work': '/nowhere'}
    ended = {'trial_job_id': 'x', 'event': 'SUCCEEDED', 'hyper_params': json.dumps({'parameter_id': 3, 'parameters': task})}
    advisor.handle_report_metric_data({'type': 'FINAL', 'trial_job_id': 'x', 'value': '{"default": 0.5}'})
    listener = threading.Thread(target=advisor.handle_trial_end, args=(ended,))
    listener.start()
    listener.join(0.3)
    assert listener.is_alive() and not heard
    with advisor._lock:
        advisor._campaign = types.SimpleNamespace(finished=lambda task, metric: heard.append((task.id, metric)), done=False)
        advisor._lock.notify_all()
    listener.join(20)
    assert heard == [('teacher/train', {'default': 0.5})]
