"""The work folder: what is vouched for, and what is refused."""

from __future__ import annotations

import json
import os

import pytest
import toys

from nni_dna.campaign.work import WorkFolder
from nni_dna.errors import ResultError, WorkFolderError
from nni_dna.settings import read_settings


@pytest.fixture
def work(tmp_path):
    folder = WorkFolder(tmp_path / 'work')
    folder.claim(read_settings(toys.settings(tmp_path / 'work'), tmp_path), {}, tmp_path)
    return folder


def result(work):
    file = work.task_folder('distill/a') / 'table.npz'
    file.write_bytes(b'numbers')
    return work.write_result('distill/a', -1.0, [file], {'losses': [1.0]})


def test_settings_come_back_as_they_were_given(work, tmp_path):
    assert work.settings() == (read_settings(toys.settings(tmp_path / 'work'), tmp_path), {})


def test_a_result_comes_back_if_its_hash_is_the_reported_one(work):
    metric = result(work)
    assert work.read_result('distill/a', metric['sha256'])['value'] == metric['default'] == -1.0
    with pytest.raises(ResultError, match='not the file that the trial reported'):
        work.read_result('distill/a', '0' * 64)


def test_a_changed_or_missing_file_is_refused(work):
    result(work)
    file = work.root / 'distill/a/table.npz'
    file.write_bytes(b'other')
    with pytest.raises(ResultError, match='SHA-256 differs'):
        work.read_result('distill/a')
    file.unlink()
    with pytest.raises(ResultError, match='missing'):
        work.read_result('distill/a')
    assert work.finished_metric('distill/a') is None


def test_a_file_outside_the_work_folder_is_refused(work, tmp_path):
    result(work)
    (tmp_path / 'secret').write_bytes(b'secret')
    file = work.root / 'distill/a/result.json'
    content = json.loads(file.read_text())
    content['files'] = {'../secret': 'x'}
    file.write_text(json.dumps(content))
    with pytest.raises(ResultError, match='outside the work folder'):
        work.read_result('distill/a')


def test_an_error_is_taken_once(work):
    work.write_error('distill/a', 'why')
    assert work.take_error('distill/a') == 'why'
    assert work.take_error('distill/a') == ''


def test_another_version_of_the_format_is_refused(work, tmp_path):
    file = work.root / 'settings.json'
    file.write_text(file.read_text().replace('"version": 1', '"version": 7'))
    with pytest.raises(WorkFolderError, match='version 7'):
        work.settings()


def test_the_lock_keeps_a_second_experiment_out_until_the_first_lets_go(work):
    held = work.lock()
    with pytest.raises(WorkFolderError, match=f'another experiment is running.*process {os.getpid()}'):
        WorkFolder(work.root).lock()
    held.close()
    WorkFolder(work.root).lock().close()


def test_a_result_on_another_basis_does_not_count(work):
    work.write_result('retrain/rank1', 0.5, [], {}, basis='this architecture')
    assert work.finished_metric('retrain/rank1', 'this architecture')['default'] == 0.5
    assert work.finished_metric('retrain/rank1', 'another one') is None


def test_a_folder_without_settings_is_no_work_folder(tmp_path):
    with pytest.raises(WorkFolderError, match='name the work folder of an experiment'):
        WorkFolder(tmp_path).settings()
