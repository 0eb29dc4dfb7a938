"""Rating in the course of the training, and what the search finds by it."""

from __future__ import annotations

import itertools
import json
import shutil

import numpy as np
import pytest
import strategy_toys
import toys
import torch
from running import make_setup, open_campaign, run_in_process
from torch import nn
from torch.utils.data import DataLoader

from nni_dna.campaign.check import check_trial_limit
from nni_dna.campaign.progress import read_progress
from nni_dna.errors import SettingsError
from nni_dna.phases import run_campaign
from nni_dna.weights import save_weights

EPOCHS = 5
EVERY = {'distill': {'epochs': EPOCHS, 'rate_every': 2}, 'data': {'augment': 'crop_flip'}}
OVER = {'retrain': {'over_training': True, 'epochs': 1}, 'search': {'top_k': 1}}
CASCADE = {'input': 'cascade', 'tasks': 'joint'}


def merged(*changes):
    found = {}
    for change in changes:
        for key, value in change.items():
            found[key] = {**found.get(key, {}), **value}
    return found


@pytest.fixture(scope='module')
def rated(tmp_path_factory):
    return run_in_process(tmp_path_factory.mktemp('rated') / 'work', **merged(EVERY, OVER))


def files(work, *leave_out):
    return {str(file.relative_to(work)): file.read_bytes() for file in sorted(work.rglob('*')) if file.is_file()
            and file.name not in ('settings.json', 'journal.jsonl', 'lock', 'result.json', *leave_out)
            and 'ratings-epoch' not in file.name and not file.parts[-2].startswith('epoch')}


def losses(work):
    return {file.parent.name: json.loads(file.read_text())['details']['losses'] for file in sorted(work.rglob('result.json'))
            if 'distill' in file.parts}


def table(work, cell, name='ratings.npz'):
    return np.load(work / 'distill' / cell / name)['ratings']


CELLS = ['block1/shallow', 'block1/deep', 'block2/only']


# Rating

def test_tables_of_the_epochs_are_kept_and_vouched_for(rated):
    for cell in CELLS:
        result = json.loads((rated / 'distill' / cell / 'result.json').read_text())
        assert result['details']['rated_epochs'] == [2, 4]
        assert {f'distill/{cell}/{name}' for name in ('ratings.npz', 'ratings-epoch002.npz', 'ratings-epoch004.npz')} \
            == {name for name in result['files'] if name.endswith('.npz')}
        assert not np.array_equal(table(rated, cell, 'ratings-epoch002.npz'), table(rated, cell))


def test_a_table_that_was_changed_makes_its_task_run_again(rated, tmp_path):
    work = shutil.copytree(rated, tmp_path / 'work')
    file = work / 'distill/block1/deep/ratings-epoch002.npz'
    file.write_bytes(file.read_bytes()[:-1] + b'x')
    campaign = open_campaign(work, **merged(EVERY, OVER))
    assert campaign.next_task().id == 'distill/block1/deep'


def test_the_table_of_an_epoch_is_that_of_a_training_that_ended_then(rated, tmp_path):
    changes = merged(EVERY, {'distill': {'epochs': 4, 'rate_every': None}, 'retrain': {'epochs': 1}, 'search': {'top_k': 1}})
    short = run_in_process(tmp_path / 'work', **changes)
    for cell in CELLS:
        np.testing.assert_array_equal(table(rated, cell, 'ratings-epoch004.npz'), table(short, cell))


class Drops(toys.Space):
    """Training draws random numbers."""

    def __init__(self, num_classes=4):
        super().__init__(num_classes)
        self.blocks[1].append(nn.Dropout(0.3))


@pytest.mark.parametrize('changes', [
    {'space': {'name': 'test_over_training.Drops'}, 'distill': {'input': 'progressive', 'paths_per_step': 2}},
    {'space': {'name': 'toys.Scaled'}, 'distill': {**CASCADE, 'sampling': 'fair'}}], ids=['progressive', 'cascade'])
def test_rating_on_the_way_changes_nothing(tmp_path, changes):
    settings = merged(EVERY, changes, {'distill': {'epochs': 3, 'rate_every': 1}, 'teacher': {'epochs': 1},
                                       'retrain': {'epochs': 1}, 'search': {'top_k': 1}})
    without = merged(settings, {'distill': {'rate_every': None}})
    one, other = (run_in_process(tmp_path / name, **given) for name, given in (('one', settings), ('other', without)))
    assert files(one) == files(other) and any(name.endswith('supernet.safetensors') for name in files(one))
    assert losses(one) == losses(other)
    assert len(list(one.rglob('ratings-epoch*.npz'))) == 2 * len(list(other.rglob('ratings.npz')))


@pytest.fixture
def weights(tmp_path):
    save_weights(toys.Teacher(), tmp_path / 'teacher.safetensors')
    return str(tmp_path / 'teacher.safetensors')


def test_rating_on_the_way_changes_nothing_of_what_a_users_loader_gives(tmp_path, monkeypatch, weights):
    found = []
    for number, rate_every in enumerate((1, None)):
        folder = tmp_path / str(number)
        folder.mkdir()
        loaders = []
        for train in (True, False):  # the second takes PyTorch's generator
            loaders.append(DataLoader(strategy_toys.Pictures(train), batch_size=16, shuffle=True,
                                      generator=torch.Generator().manual_seed(7) if train else None))
        with monkeypatch.context() as patch:
            strategy_toys.keep_apart(patch, folder)
            strategy = strategy_toys.strategy(
                folder / 'work', {'name': 'toys.Teacher', 'stages': ['stage1', 'stage2'], 'weights': weights},
                distill={'epochs': 3, 'tasks': 'joint', 'rate_every': rate_every}, train_dataloaders=loaders[0],
                val_dataloaders=loaders[1], top_k=1)
            strategy_toys.run(strategy_toys.experiment(strategy, evaluator_=strategy_toys.evaluator(max_epochs=1)))
        found.append((files(folder / 'work'), losses(folder / 'work')))
        assert len(list(folder.rglob('ratings-epoch*.npz'))) == (6 if rate_every else 0)
    assert found[0] == found[1]


# Searching and retraining

def over(work):
    return json.loads((work / 'over_training.json').read_text())


def test_of_each_epoch_the_best_by_its_tables_is_found(rated):
    chain = make_setup(rated, **merged(EVERY, OVER)).chain
    names = {2: 'ratings-epoch002.npz', 4: 'ratings-epoch004.npz', 5: 'ratings.npz'}
    assert [entry['epoch'] for entry in over(rated)['epochs']] == list(names)
    for entry in over(rated)['epochs']:
        name = names[entry['epoch']]
        tables = [np.concatenate([table(rated, f'{block.name}/{cell.name}', name) for cell in block.cells])
                  for block in chain.blocks]
        rating, paths = min((sum(rated[path] for rated, path in zip(tables, paths)), paths)
                            for paths in itertools.product(*(range(block.paths) for block in chain.blocks)))
        assert (entry['rating'], entry['architecture']) == (rating, chain.architecture(paths))
    last, winner = over(rated)['epochs'][-1], json.loads((rated / 'ranking.json').read_text())['ranking'][0]
    assert all(last[name] == winner[name] for name in ('architecture', 'rating', 'params', 'madds', 'accuracy'))
    assert last['task'] == 'retrain/rank1'


def test_the_losses_are_those_of_the_supernets_by_epoch(rated):
    found = over(rated)['losses']
    assert found == {name: curve for curves in losses(rated).values() for name, curve in curves.items()}
    assert found.keys() == set(CELLS) and all(len(curve) == EPOCHS for curve in found.values())


def test_each_architecture_is_retrained_once_and_as_a_winner_is(rated, tmp_path):
    entries = over(rated)['epochs']
    retrained = {json.loads(file.read_text())['task']: json.loads(file.read_text())['value']
                 for file in rated.glob('retrain/*/result.json')}
    architectures = {json.dumps(entry['architecture'], sort_keys=True): entry['task'] for entry in entries}
    assert set(architectures.values()) == set(retrained)
    assert all(architectures[json.dumps(entry['architecture'], sort_keys=True)] == entry['task'] for entry in entries)
    assert [entry['accuracy'] for entry in entries] == [retrained[entry['task']] for entry in entries]
    short = merged(EVERY, {'distill': {'epochs': 2, 'rate_every': None}, 'retrain': {'epochs': 1}, 'search': {'top_k': 1}})
    winner, = json.loads((run_in_process(tmp_path / 'work', **short) / 'ranking.json').read_text())['ranking']
    assert (entries[0]['architecture'], entries[0]['accuracy']) == (winner['architecture'], winner['accuracy'])


def make_task_ids(tmp_path, monkeypatch, best):
    """The retraining tasks of a campaign whose epochs 1, 2 and 3 find certain paths of the two blocks."""
    changes = merged(OVER, {'distill': {'epochs': 3, 'rate_every': 1}})
    work = run_in_process(tmp_path / 'work', **merged(changes, {'retrain': {'over_training': False}}))
    monkeypatch.setattr('nni_dna.campaign.stored.load_ratings', lambda path, cells: [
        np.array([0. if (path.parent.name, number) in best[path.name] else 1. for number in range(cell.paths)])
        for cell in cells])
    campaign = open_campaign(work, **changes)
    return [task.id for task in campaign.tasks() if task.phase == 'retrain'], campaign, work


def test_architectures_that_were_found_before_are_not_trained_again(tmp_path, monkeypatch):
    one, other = {('deep', 0), ('only', 0)}, {('deep', 1), ('only', 0)}
    ids, campaign, work = make_task_ids(tmp_path, monkeypatch, {
        'ratings-epoch001.npz': other, 'ratings-epoch002.npz': other, 'ratings.npz': one})
    winner, epoch = ids
    assert winner.startswith('retrain/rank1-')  # its folder is that of the winner by the tables of before
    assert epoch == 'retrain/epoch001'
    assert [entry['task'] for entry in over(work)['epochs']] == [epoch, epoch, winner]
    assert [entry['accuracy'] for entry in over(work)['epochs']][:2] == [None, None]
    assert read_progress(campaign.work).counts['retrain'][1] == 2
    run_campaign(campaign)
    assert all(entry['accuracy'] is not None for entry in over(work)['epochs'])
    assert campaign.done


def test_a_finished_experiment_can_be_asked_for_it_later(rated, tmp_path):
    changes = merged(EVERY, OVER, {'retrain': {'over_training': False}})
    work = shutil.copytree(rated, tmp_path / 'work')
    (work / 'over_training.json').unlink()
    campaign = open_campaign(work, **changes)
    assert campaign.done and not (work / 'over_training.json').exists()
    campaign.close()
    assert open_campaign(work, **merged(EVERY, OVER)).done
    assert over(work) == over(rated)


def test_the_trials_that_it_takes_are_counted_before_the_start(tmp_path):
    setup = make_setup(tmp_path / 'work', **merged(EVERY, OVER), retries=0)
    check_trial_limit(setup, 7)  # a teacher, three cells, the winner, two epochs
    with pytest.raises(SettingsError, match='maxTrialNumber: expected at least 7'):
        check_trial_limit(setup, 6)


def test_without_tables_it_is_refused(tmp_path):
    with pytest.raises(SettingsError, match='retrain.over_training: expected false without distill.rate_every'):
        make_setup(tmp_path / 'work', **OVER)
