"""A task that fails leaves its own error where the campaign finds it."""

from __future__ import annotations

import pytest
import toys
from running import open_campaign, run

from nni_dna.errors import DataError


@pytest.fixture
def campaign(tmp_path):
    return open_campaign(tmp_path / 'work')


def test_an_error_of_ours_is_kept_in_one_line(campaign, monkeypatch):
    task = campaign.next_task()

    def broken(root):
        raise DataError('the disk is gone')
    monkeypatch.setattr(toys, 'images', broken)
    with pytest.raises(DataError):
        run(campaign, task)
    assert campaign.work.take_error(task.id) == 'DataError: the disk is gone'


def test_any_other_error_is_kept_with_its_traceback(campaign):
    task = campaign.next_task()

    def report(value):
        raise ZeroDivisionError('in the middle of training')
    with pytest.raises(ZeroDivisionError):
        run(campaign, task, report)
    error = campaign.work.take_error(task.id)
    assert error.startswith('Traceback') and error.rstrip().endswith('ZeroDivisionError: in the middle of training')
    assert campaign.work.finished_metric(task.id) is None


def test_a_loss_that_is_not_finite_stops_the_task_and_names_the_remedy(tmp_path):
    campaign = open_campaign(tmp_path / 'work', distill={'lr_first': 1e30})
    teacher, = [task for task in campaign.tasks() if task.phase == 'teacher']
    campaign.finished(teacher, run(campaign, teacher))
    with pytest.raises(FloatingPointError, match='lower distill.lr'):
        run(campaign, campaign.next_task())
