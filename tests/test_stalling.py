"""Trials that make no step are found, whatever clocks say, and slow ones are left alone."""

from __future__ import annotations

import pytest

from nni_dna.manager import Row
from nni_dna.marks import mark_file
from nni_dna.stalling import Patience, StallWatch


def test_what_makes_steps_is_never_over():
    patience = Patience(10)
    assert not any(patience.is_over(str(step), 9) for step in range(100))


def test_what_stops_is_over_once_more_than_the_limit_has_passed():
    patience = Patience(10)
    for found in ('', 'mine 0', 'mine 1'):
        assert not patience.is_over(found, 5)
    assert [patience.is_over('mine 1', 5) for _ in range(3)] == [False, False, True]


@pytest.mark.parametrize('found', ['', 'mine 0'])
def test_before_the_first_step_it_takes_ten_times_as_long(found):
    patience = Patience(10)
    patience.is_over('', 5)
    patience.is_over(found, 5)
    waits = [patience.is_over(found, 5) for _ in range(25)]
    assert waits.index(True) in (18, 19, 20) and not patience.is_over('mine 1', 5)


def test_the_marks_of_an_earlier_trial_are_no_step_of_this_one():
    patience = Patience(10)
    assert not any(patience.is_over('earlier 7', 9) for _ in range(11)) and patience.is_over('earlier 7', 20)


class Trials:
    """In place of NNI's manager."""

    def __init__(self, **status):
        self.status, self.cancelled = status, []

    def rows(self):
        return [Row(trial=name, status=status, sent={'parameters': {'task': f'distill/{name}'}})
                for name, status in self.status.items()]

    def cancel(self, trial):
        self.cancelled.append(trial)
        self.status[trial] = 'USER_CANCELED'


def test_only_a_running_trial_without_progress_is_cancelled_and_its_campaign_told_why(tmp_path):
    manager, told = Trials(stuck='RUNNING', busy='RUNNING', queued='WAITING', ended='SUCCEEDED'), {}
    watch = StallWatch(manager, tmp_path, 1.0, lambda sent: (None, sent['parameters']), told.__setitem__)
    for name in ('stuck', 'busy'):
        (tmp_path / 'distill' / name).mkdir(parents=True)
    for step in range(7):
        mark_file(tmp_path, 'distill/busy').write_text(f'mine {step}')
        mark_file(tmp_path, 'distill/stuck').write_text(f'mine {min(step, 2)}')
        watch.look(25)
    assert manager.cancelled == ['stuck']
    assert list(told) == ['distill/stuck'] and 'stall_minutes: expected a step of distill/stuck within 1 minutes' in told[
        'distill/stuck']
    manager.status['stuck again'] = 'RUNNING'  # a new trial has all its time again
    watch.look(25)
    assert manager.cancelled == ['stuck']
