"""The work folder: what is vouched for, and what is refused."""

from __future__ import annotations

import json
import os
import re

import pytest
from running import make_setup

from nni_dna.campaign.config import ConfigSetup
from nni_dna.campaign.locks import lock_folder
from nni_dna.campaign.work import WorkFolder
from nni_dna.errors import ResultError, WorkFolderError


@pytest.fixture
def work(tmp_path):
    folder = WorkFolder(tmp_path / 'work')
    folder.claim(make_setup(tmp_path / 'work').record(), tmp_path)
    return folder


def result(work):
    file = work.task_folder('distill/a') / 'table.npz'
    file.write_bytes(b'numbers')
    return work.write_result('distill/a', -1.0, [file], {'losses': {'block1/a': [1.0]}})


def test_an_experiment_comes_back_from_its_record(tmp_path):
    definition = {'cell': {'_type': 'choice', '_value': ['deep']}}
    setup = make_setup(tmp_path / 'work', definition, rate={'max_paths': 3}, space={'blocks': ['blocks.0', 'blocks.1']})
    work = WorkFolder(tmp_path / 'work')
    work.claim(setup.record(), tmp_path)
    again = ConfigSetup.from_record(WorkFolder(tmp_path / 'work').record(), tmp_path / 'work')
    assert (again.settings, again.definition) == (setup.settings, definition)
    assert again.chain == setup.chain
    assert work.code_folder() == tmp_path


def test_an_experiment_comes_back_where_its_folder_was_moved(tmp_path):
    WorkFolder(tmp_path / 'work').claim(make_setup(tmp_path / 'work').record(), tmp_path)
    (tmp_path / 'work').rename(tmp_path / 'moved')
    again = ConfigSetup.from_record(WorkFolder(tmp_path / 'moved').record(), tmp_path / 'moved')
    assert again.settings == make_setup(tmp_path / 'moved').settings


def record(search_space=None, **changes):
    """As a face without settings for images or recipes would give it."""
    return {'settings': {'work': '/w', 'seed': 0, 'retries': 2, 'distill': {'lr': 0.1}, 'loaders': {'batch_size': 4}, **changes},
            'search_space': search_space or {}}


@pytest.mark.parametrize('changes', [{}, {'work': '/v'}, {'retries': 0}, {'threads': 3}, {'retrain': {'epochs': 3}}])
def test_a_record_without_a_section_for_images_is_known_again(tmp_path, changes):
    work = WorkFolder(tmp_path / 'work')
    work.claim(record(), tmp_path).close()
    assert work.check(record(**changes))['settings'] == record(**changes)['settings']


@pytest.mark.parametrize(['other', 'line'], [
    (record(seed=1), 'settings.seed: 0 became 1'), (record(distill={'lr': 0.2}), 'settings.distill.lr: 0.1 became 0.2'),
    (record(loaders={'batch_size': 8}), 'settings.loaders.batch_size: 4 became 8'),
    (record({'a': {'_type': 'choice', '_value': [1]}}), 'search_space.a: None became'),
    (record(data={'name': 'digits', 'workers': 1}), "settings.data: None became {'root': None,"),
], ids=['seed', 'nested', 'own', 'search space', 'images'])
def test_a_record_without_a_section_for_images_is_told_from_another(tmp_path, other, line):
    work = WorkFolder(tmp_path / 'work')
    work.claim(record(), tmp_path).close()
    with pytest.raises(WorkFolderError, match='belongs to other settings: ' + re.escape(line)):
        work.check(other)


def test_an_experiment_of_one_kind_is_told_from_that_of_another_on_its_folder(work):
    with pytest.raises(WorkFolderError, match='belongs to other settings: .*settings.data: .* became None'):
        work.check(record())


@pytest.mark.parametrize('changes', [
    {'data': {'workers': 2}}, {'latency': {'threads': 2}}, {'retries': 0}, {'threads': 2}, {'retrain': {'epochs': 9}}])
def test_what_decides_no_result_may_change(work, tmp_path, changes):
    work.check(make_setup(tmp_path / 'work', **changes).record())


@pytest.mark.parametrize(['changes', 'line'], [
    ({'rate': {'max_paths': 7}}, 'settings.rate.max_paths: 20000 became 7'),
    ({'space': {'blocks': ['blocks.1']}}, "settings.space.blocks: None became ['blocks.1']"),
    ({'teacher': {'stages': None}}, "settings.teacher.stages: ['stage1', 'stage2'] became None"),
    ({'data': {'batch_size': 4}}, 'settings.data.batch_size: 16 became 4'), ({'seed': 3}, 'settings.seed: 0 became 3')])
def test_what_decides_a_result_may_not(work, tmp_path, changes, line):
    with pytest.raises(WorkFolderError, match='belongs to other settings: ' + re.escape(line)):
        work.check(make_setup(tmp_path / 'work', **changes).record())


def test_a_folder_of_before_there_were_some_settings_is_known_again(work, tmp_path):
    file = tmp_path / 'work' / 'settings.json'
    found = json.loads(file.read_text())
    del found['settings']['latency'], found['settings']['search']['max_memory']
    for section, name in ('distill', 'input'), ('rate', 'measure'), ('teacher', 'batch_norm'), ('data', 'center_crop'):
        del found['settings'][section][name]
    file.write_text(json.dumps(found))
    work.check(make_setup(tmp_path / 'work').record())
    with pytest.raises(WorkFolderError, match="settings.rate.measure: 'l1' became 'mse'"):
        work.check(make_setup(tmp_path / 'work', rate={'measure': 'mse'}).record())
    for search in ({'max_memory': '1M'}, {'max_latency_ms': 3}):  # a search is simply done again
        work.check(make_setup(tmp_path / 'work', search=search).record())


def test_on_what_latencies_are_measured_does_not_matter_since_they_know_it(work, tmp_path):
    work.check(make_setup(tmp_path / 'work', search={'max_latency_ms': 3}, latency={'threads': 2}).record())


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
    with pytest.raises(WorkFolderError, match='got 7; a newer nni_dna wrote it: upgrade nni_dna, or name'):
        work.record()


def test_the_lock_keeps_a_second_experiment_out_until_the_first_lets_go(work):
    held = lock_folder(work.root)
    with pytest.raises(WorkFolderError, match=f'another experiment is running.*process {os.getpid()}'):
        lock_folder(work.root)
    held.close()
    lock_folder(work.root).close()


def test_a_result_on_another_basis_does_not_count(work):
    work.write_result('retrain/rank1', 0.5, [], {}, basis='this architecture')
    assert work.finished_metric('retrain/rank1', 'this architecture')['default'] == 0.5
    assert work.finished_metric('retrain/rank1', 'another one') is None


def test_a_folder_without_settings_is_no_work_folder(tmp_path):
    with pytest.raises(WorkFolderError, match='name the work folder of an experiment'):
        WorkFolder(tmp_path).record()
