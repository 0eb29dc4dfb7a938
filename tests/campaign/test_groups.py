"""Several supernets in one trial: by block, or so that trials take about equally long."""

import json

import numpy as np
import pytest
from running import make_setup, open_campaign, rating_tables, run_in_process

from nni_dna.campaign.check import check_trial_limit
from nni_dna.errors import SettingsError, WorkFolderError

FAST = {'teacher': {'epochs': 1}, 'retrain': {'epochs': 1}, 'search': {'top_k': 1}}


@pytest.fixture(scope='module')
def alone(tmp_path_factory):
    return run_in_process(tmp_path_factory.mktemp('alone') / 'work', **FAST)


def distill_tasks(campaign):
    return {task.name: task.details for task in campaign.tasks() if task.phase == 'distill'}


@pytest.mark.parametrize('tasks, names', [('block', {'groups/block1', 'groups/block2'}),
                                          (2, {'groups/1-of-2', 'groups/2-of-2'}), (1, {'groups/1-of-1'}),
                                          (9, {'groups/1-of-3', 'groups/2-of-3', 'groups/3-of-3'})])
def test_supernets_rate_as_each_in_a_trial_of_its_own(alone, tmp_path, tasks, names):
    work = run_in_process(tmp_path / 'work', **FAST, distill={'tasks': tasks})
    with open_campaign(work, **FAST, distill={'tasks': tasks}).work.journal.path.open() as journal:
        finished = [event['task'] for event in map(json.loads, journal) if event['event'] == 'finished']
    assert {task.partition('/')[2] for task in finished if task.startswith('distill')} == names
    assert rating_tables(work).keys() == rating_tables(alone).keys()
    for name, table in rating_tables(alone).items():
        np.testing.assert_allclose(rating_tables(work)[name], table, rtol=1e-6)


def test_a_measured_load_decides_which_supernets_train_together(tmp_path):
    work, changes = tmp_path / 'work', {**FAST, 'distill': {'tasks': 2}}
    first = open_campaign(work, **changes)
    loads = json.loads((work / 'loads.json').read_text())
    assert set(loads['supernets']) == {'distill/block1/shallow', 'distill/block1/deep', 'distill/block2/only'}
    tasks = distill_tasks(first)
    first.close()
    assert distill_tasks(open_campaign(work, **changes)) == tasks  # not measured again
    loads.update(teacher=[0, 0], supernets={'distill/block1/shallow': 1, 'distill/block1/deep': 1, 'distill/block2/only': 5})
    (work / 'loads.json').write_text(json.dumps(loads))
    assert [details['supernets'] for details in distill_tasks(open_campaign(work, **changes)).values()] == [
        ['distill/block1/shallow', 'distill/block1/deep'], ['distill/block2/only']]


@pytest.mark.parametrize('content', ['{', '[]', '{"teacher": [1, 2]}', '{"teacher": [1], "supernets": {}}',
                                     '{"teacher": [1, 2], "supernets": {"distill/other": 1}}',
                                     '{"teacher": [1, "a"], "supernets": {}}', '{"teacher": [1, 2], "supernets": []}'])
def test_a_damaged_measurement_is_refused_with_the_remedy(tmp_path, content):
    work, changes = tmp_path / 'work', {**FAST, 'distill': {'tasks': 2}}
    open_campaign(work, **changes).close()
    (work / 'loads.json').write_text(content)
    with pytest.raises(WorkFolderError, match='loads.json.*; delete it to measure again'):
        open_campaign(work, **changes)


def test_trials_are_counted_without_a_measurement(tmp_path):
    for tasks, trials in (('cell', 3), ('block', 2), ('joint', 1), (2, 2), (9, 3)):
        setup = make_setup(tmp_path / 'work', distill={'tasks': tasks}, retries=0)
        check_trial_limit(setup, 1 + trials + 2)
        with pytest.raises(SettingsError, match=f'expected at least {1 + trials + 2}'):
            check_trial_limit(setup, 1 + trials + 1)
    assert not (tmp_path / 'work').exists()
