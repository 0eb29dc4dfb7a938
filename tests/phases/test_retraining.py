"""The task that retrains a winner: what it leaves behind, and how it goes on after an interruption."""

import json

import pytest

import running
from nni_dna.campaign.tasks import retrain_tasks
from nni_dna.data.sources import TensorImages
from nni_dna.phases.retrain import train_architecture
import toys

ARCHITECTURE = {'cell': 'deep', 'b1': 'k3', 'b2': 'k1', 'c1': 'k3', 'c2': 'k1'}


def twelve(root):
    """The toy task with twelve classes."""
    return [TensorImages(part.images, [label + 4 * (i % 3) for i, label in enumerate(part.targets)])
            for part in toys.images(root, 96)]


@pytest.fixture
def retrain(tmp_path):
    """Do the task in a work folder of the given name; returns its folder's weights, its result and its reports."""
    def run(name, stop_at=None, data=None, **settings):
        campaign = running.open_campaign(tmp_path / name, retrain={'epochs': 4, **settings}, data=data or {})
        task, = retrain_tasks(campaign.setup.recipe, [ARCHITECTURE], {})
        _, reports = running.run_until(campaign, task, stop_at)
        folder = tmp_path / name / task.id
        return (folder / 'model.safetensors').read_bytes(), json.loads((folder / 'result.json').read_text()), reports
    return run


def test_a_task_that_was_interrupted_gives_the_file_of_one_that_was_not(retrain, tmp_path):
    weights, result, reports = retrain('undisturbed')
    with pytest.raises(running.Interrupted):
        retrain('interrupted', stop_at=3)
    folder = tmp_path / 'interrupted' / 'retrain' / 'rank1'
    assert len(list(folder.glob('training-*.ckpt'))) == 1
    found, after, curve = retrain('interrupted')
    assert found == weights and curve == reports
    assert after['value'] == result['value'] and after['details'] == result['details']
    assert {file.name for file in folder.iterdir()} == {'model.safetensors', 'result.json', 'running'}


def test_the_state_of_another_recipe_is_not_gone_on_from(retrain, tmp_path):
    weights, _, reports = retrain('undisturbed', lr=0.01)
    with pytest.raises(running.Interrupted):
        retrain('other', stop_at=3)
    found, _, curve = retrain('other', lr=0.01)
    assert found == weights and curve == reports
    assert not list((tmp_path / 'other').rglob('*.ckpt'))


def test_results_tell_the_top_five_where_there_are_more_than_ten_classes(retrain):
    details = retrain('four')[1]['details']
    assert set(details) == {'accuracy', 'top1'} and details['accuracy'] == details['top1']
    details = retrain('twelve', data={'name': 'test_retraining.twelve'})[1]['details']
    assert set(details) == {'accuracy', 'top1', 'top5'}
    assert details['accuracy'] == details['top1'] <= details['top5'] <= 1


def test_an_architecture_can_be_trained_without_a_task(tmp_path):
    setup, reports = running.make_setup(tmp_path / 'work'), []
    network, reached, _ = train_architecture(setup, ARCHITECTURE, reports.append)
    assert len(reports) == 2 and 0 <= reached <= 1 and not network.training
    assert not (tmp_path / 'work').exists()
