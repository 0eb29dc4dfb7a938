"""A retraining that was interrupted goes on from its last epoch, with the result of an undisturbed one."""

import os
import pickle

import pytest
import torch
from torch import nn

from nni_dna.data import ImageData
from nni_dna.lightning import seed_all
from nni_dna.retrain import quick, train_classifier, training_batches
from nni_dna.settings.sections import DataSettings
from test_training_classifiers import make_network

RECIPES = {
    'quick': quick(epochs=5),
    'everything': quick(epochs=5, optimizer='rmsprop_tf', schedule='steps', warmup_epochs=1.0, decay=0.9, lr=0.01, ema=0.9,
                        mixup=0.2, cutmix=1.0, accumulate=2, clip=1.0, augment='crop_flip', color_jitter=0.2,
                        random_erasing=0.5, auto_augment='trivial'),
    'sgd': quick(epochs=5, optimizer='sgd', schedule='cosine', lr=0.05, ema=0.5, precision='bf16-mixed'),
}


class Interrupted(Exception):
    """In place of a crash."""


class Dropping(nn.Module):
    """Takes random numbers while it trains."""

    def __init__(self):
        super().__init__()
        self.network, self.dropout = make_network(), nn.Dropout(0.3)

    def forward(self, x):
        return self.network(self.dropout(x))


def train(recipe, checkpoint, stop_at=None, workers=0):
    """Seeded as a trial is; ends at a report if told so. Returns the network and the reports."""
    seed_all(3)
    network, reports = Dropping(), []
    data = ImageData(DataSettings(name='toys.images', image_size=16, batch_size=32, holdout_per_class=2, workers=workers), 0)

    def report(value):
        reports.append(value)
        if len(reports) == stop_at:
            raise Interrupted

    train_classifier(network, 4, recipe, training_batches(data, recipe), report, checkpoint)
    return network.state_dict(), reports


@pytest.mark.parametrize('name, stop_at', [('quick', 2), ('everything', 3), ('everything', 5), ('sgd', 4)])
def test_an_interrupted_training_ends_bit_equal_to_an_undisturbed_one(tmp_path, name, stop_at):
    recipe, checkpoint = RECIPES[name], tmp_path / 'training.ckpt'
    expected, curve = train(recipe, None)
    with pytest.raises(Interrupted):
        train(recipe, checkpoint, stop_at)
    written = checkpoint.read_bytes()
    found, reports = train(recipe, checkpoint)
    assert reports == curve  # the new trial's curve is whole
    assert all(torch.equal(tensor, expected[key]) for key, tensor in found.items())
    assert checkpoint.read_bytes() != written


def test_it_may_be_interrupted_again_and_again(tmp_path):
    recipe, checkpoint = RECIPES['everything'], tmp_path / 'training.ckpt'
    expected, _ = train(recipe, None)
    for stop_at in (2, 3, 4):
        with pytest.raises(Interrupted):
            train(recipe, checkpoint, stop_at)
    found, _ = train(recipe, checkpoint)
    assert all(torch.equal(tensor, expected[key]) for key, tensor in found.items())


def test_an_interruption_changes_nothing_with_loader_workers_either(tmp_path):
    recipe, checkpoint = quick(epochs=3, augment='crop_flip', color_jitter=0.2), tmp_path / 'training.ckpt'
    expected, _ = train(recipe, None, workers=1)
    with pytest.raises(Interrupted):
        train(recipe, checkpoint, 2, workers=1)
    found, _ = train(recipe, checkpoint, workers=1)
    assert all(torch.equal(tensor, expected[key]) for key, tensor in found.items())


def test_a_training_that_came_to_its_end_is_not_done_again(tmp_path):
    expected, curve = train(RECIPES['quick'], tmp_path / 'training.ckpt')
    found, reports = train(RECIPES['quick'], tmp_path / 'training.ckpt')
    assert reports == curve
    assert all(torch.equal(tensor, expected[key]) for key, tensor in found.items())


class _Bomb:
    def __reduce__(self):
        return os.mkdir, (os.environ['NNI_DNA_BOMB'],)


@pytest.mark.parametrize('kind', ['torch', 'pickle', 'cut', 'empty', 'other'])
def test_a_file_that_is_no_checkpoint_is_not_run_but_warned_of_and_the_training_starts_anew(tmp_path, monkeypatch, caplog, kind):
    monkeypatch.setenv('NNI_DNA_BOMB', str(tmp_path / 'exploded'))
    recipe, checkpoint = quick(epochs=2), tmp_path / 'training.ckpt'
    expected, _ = train(recipe, checkpoint)
    if kind == 'torch':
        state = torch.load(checkpoint, weights_only=True)
        torch.save({**state, 'bomb': _Bomb()}, checkpoint)
    elif kind == 'other':
        torch.save({'weights': torch.zeros(1)}, checkpoint)
    else:
        checkpoint.write_bytes({'pickle': pickle.dumps(_Bomb()), 'cut': checkpoint.read_bytes()[:999], 'empty': b''}[kind])
    found, _ = train(recipe, checkpoint)
    assert not (tmp_path / 'exploded').exists()
    assert 'starts anew' in caplog.text and checkpoint.name in caplog.text
    assert all(torch.equal(tensor, expected[key]) for key, tensor in found.items())


def test_a_checkpoint_of_more_processes_is_warned_of_and_the_training_starts_anew(tmp_path, caplog):
    recipe, checkpoint = quick(epochs=2), tmp_path / 'training.ckpt'
    expected, _ = train(recipe, checkpoint)
    state = torch.load(checkpoint, weights_only=True)
    torch.save({**state, 'random': state['random'] * 2}, checkpoint)
    found, _ = train(recipe, checkpoint)
    assert 'was written by 2 processes, this training has 1' in caplog.text
    assert all(torch.equal(tensor, expected[key]) for key, tensor in found.items())
