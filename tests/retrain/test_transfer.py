"""Fine-tuning a winner on another data set, by the function and by the command line."""

import json

import pytest
import torch
from PIL import Image
from safetensors.torch import load_file
from torch import nn

import nni_dna
import toys
from nni_dna.cli import main
from nni_dna.data.sources import TensorImages
from nni_dna.errors import DataError, NniDnaError, ResultError, SettingsError, SpaceError, WeightsError, WorkFolderError
from nni_dna.lightning import seed_all
from nni_dna.retrain.transfer import _renew_classifier
from running import run_in_process

FAST = {'epochs': 2, 'warmup_epochs': 0}


def twelve(root, size=20):
    """The toy task with each corner in three colours: twelve classes."""
    def make(dataset, start):
        labels = [label + 4 * ((start + i) % 3) for i, label in enumerate(dataset.targets)]
        pictures = dataset.images.clone()
        for picture, label in zip(pictures, labels):
            picture[label // 4] //= 3
        return TensorImages(pictures, labels)
    train, test = toys.images(root, 96, size)
    return make(train, 0), make(test, 0)


def stranger(root):
    """Test images of a class that is not trained on."""
    train, test = toys.images(root)
    return train, TensorImages(test.images, [9] + test.targets[1:])


def single(root):
    train, test = toys.images(root)
    return TensorImages(train.images, [0] * len(train)), TensorImages(test.images, [0] * len(test))


@pytest.fixture(scope='module')
def work(tmp_path_factory):
    """A finished toy campaign."""
    return run_in_process(tmp_path_factory.mktemp('source') / 'work')


def folder_of_images(root, classes=('dark', 'light')):
    for split in ('train', 'val'):
        for label, name in enumerate(classes):
            (root / split / name).mkdir(parents=True)
            for number in range(6):
                Image.new('RGB', (30 + number, 20), (label * 120 + 9 * number,) * 3).save(root / split / name / f'{number}.png')
    return root


def test_a_winner_learns_other_classes_from_its_trained_weights(work, tmp_path):
    before, reports = nni_dna.load(work, rank=2), []
    found = nni_dna.transfer(work, tmp_path / 'out', rank=2, data={'name': 'test_transfer.twelve', 'batch_size': 16},
                             retrain={'epochs': 12, 'lr': 0.1}, report=reports.append)
    assert found['num_classes'] == 12 and found['training_accuracy'] == reports and len(reports) == 12
    assert found['top5'] >= found['top1'] > 2 / 12  # better than chance
    assert found == json.loads((tmp_path / 'out' / 'transfer.json').read_text())
    assert sorted(file.name for file in (tmp_path / 'out').iterdir()) == ['model.safetensors', 'transfer.json']
    weights = load_file(tmp_path / 'out' / 'model.safetensors')
    assert {name for name, tensor in weights.items() if tensor.shape != before.state_dict()[name].shape} == {
        'classifier.weight', 'classifier.bias'}
    assert found['data']['image_size'] == 16 and found['recipe']['optimizer'] == 'sgd'


def test_the_result_is_that_of_a_plain_loop_from_the_winners_weights(work, tmp_path):
    nni_dna.transfer(work, tmp_path / 'out', data={'name': 'toys.images', 'batch_size': 64, 'augment': 'none'}, retrain={
        **FAST, 'augment': 'none', 'lr': 0.1, 'label_smoothing': 0, 'weight_decay': 0, 'schedule': 'steps'}, seed=5)
    network = nni_dna.load(work).train()
    seed_all(5)
    _renew_classifier(network, 4, 4)
    dataset = toys.images(None)[0]
    mean, std = torch.tensor([0.485, 0.456, 0.406]), torch.tensor([0.229, 0.224, 0.225])
    images = (dataset.images.float() / 255 - mean[:, None, None]) / std[:, None, None]
    optimizer = torch.optim.SGD(network.parameters(), lr=0.1 * 64 / 256, momentum=0.9)
    network.train()
    for _ in range(2):  # one batch of all images, so their order does not matter
        optimizer.zero_grad()
        nn.functional.cross_entropy(network(images), torch.tensor(dataset.targets)).backward()
        optimizer.step()
    for name, tensor in nni_dna.load(tmp_path / 'out').state_dict().items():
        assert torch.allclose(tensor.double(), network.state_dict()[name].double(), atol=1e-5), name


def test_what_was_written_can_be_loaded_and_reaches_the_accuracy_that_is_said(work, tmp_path):
    found = nni_dna.transfer(work, tmp_path / 'out', data={'name': 'test_transfer.twelve', 'batch_size': 16}, retrain=FAST)
    network = nni_dna.load(tmp_path / 'out')
    assert not network.training
    test = nni_dna.retrain.transfer.ImageData(nni_dna.retrain.transfer.DataSettings(
        name='test_transfer.twelve', image_size=16, holdout_per_class=1), 0).test()
    with torch.no_grad():
        logits, labels = zip(*[(network(images), labels) for images, labels in test])
    order = torch.cat(logits).argsort(1, descending=True)
    right = order == torch.cat(labels)[:, None]
    assert right[:, :1].any(1).float().mean().item() == pytest.approx(found['top1'])
    assert right[:, :5].any(1).float().mean().item() == pytest.approx(found['top5'])


class Interrupted(Exception):
    """In place of a crash."""


def test_an_interrupted_transfer_goes_on_with_the_result_of_an_undisturbed_one(work, tmp_path):
    arguments = {'data': {'name': 'toys.images', 'batch_size': 32}, 'retrain': {'epochs': 4}, 'seed': 2}
    expected = nni_dna.transfer(work, tmp_path / 'whole', **arguments)

    def stop(value):
        if len(list((tmp_path / 'out').iterdir())) == 1:  # after the first epoch's state was written
            raise Interrupted

    with pytest.raises(Interrupted):
        nni_dna.transfer(work, tmp_path / 'out', **arguments, report=stop)
    with pytest.raises(WorkFolderError, match='--output: expected a new or empty folder'):
        nni_dna.transfer(work, tmp_path / 'out', **{**arguments, 'seed': 3})
    assert nni_dna.transfer(work, tmp_path / 'out', **arguments) == expected
    with pytest.raises(WorkFolderError, match='--output: expected a new or empty folder'):
        nni_dna.transfer(work, tmp_path / 'out', **arguments)


def test_the_command_fine_tunes_on_a_folder_of_images(work, tmp_path, capsys):
    images = folder_of_images(tmp_path / 'images')
    assert main(['transfer', str(work), '--rank', '1', '--data', f'imagefolder:{images}', '--recipe', 'transfer', '--set',
                 'data.batch_size=4', '--set', 'retrain.epochs=3', '--set', 'data.image_size=24', '--output',
                 str(tmp_path / 'out')]) == 0
    out = capsys.readouterr().out
    record = json.loads((tmp_path / 'out' / 'transfer.json').read_text())
    assert out.count('on the training images') == 3
    assert f'accuracy {record["top1"]:.4f} on the test images of 2 classes' in out
    assert record['data']['image_size'] == 24 and record['recipe']['epochs'] == 3 and 'top5' not in record
    assert nni_dna.load(tmp_path / 'out')(torch.zeros(1, 3, 24, 24)).shape == (1, 2)


@pytest.mark.parametrize('data, retrain, kind, message', [
    ({'name': 'cifar11'}, {}, DataError, 'data.name: expected one of .*; nearest known: cifar10'),
    ({'name': 'cifar10'}, {}, DataError, 'data.root: expected the folder'),
    ({'name': 'imagefolder', 'root': 'nowhere'}, {}, DataError, 'data.root: expected an existing folder, got .*nowhere'),
    ({'name': 'test_transfer.stranger'}, {}, DataError, 'data.name: expected test images of the 4 .* labels from 0 to 9'),
    ({'name': 'test_transfer.single'}, {}, DataError, 'data.name: expected images of at least two classes, got 1'),
    ({'name': 'toys.images', 'image_size': 0}, {}, SettingsError, 'data.image_size: expected a whole number of at least 1'),
    ({'name': 'toys.images', 'mean': [0.5, 0.5]}, {}, NniDnaError, 'data'),
    ({'name': 'toys.images', 'size': 16}, {}, SettingsError, 'data.size: unknown setting'),
    ({}, {}, SettingsError, 'data.name: this setting is missing'),
    ({'name': 'toys.images'}, {'recipe': 'tranfer'}, SettingsError, 'retrain.recipe: expected one of .*nearest known: tr'),
    ({'name': 'toys.images'}, {'epochs': 1}, SettingsError, 'retrain.warmup_epochs: expected fewer than the 1 epochs, got 1'),
    ({'name': 'toys.images'}, {'drop_connect': 0.2}, SettingsError, 'retrain.drop_connect: expected a network with residual'),
    ({'name': 'toys.images'}, {'epoch': 1}, SettingsError, 'retrain.epoch: unknown setting; nearest known: epochs'),
])
def test_what_cannot_be_is_refused_before_anything_is_written(work, tmp_path, data, retrain, kind, message):
    with pytest.raises(kind, match=message):
        nni_dna.transfer(work, tmp_path / 'out', data=data, retrain=retrain)
    assert not (tmp_path / 'out').exists()


def test_a_winner_that_is_not_there_is_refused(work, tmp_path):
    with pytest.raises(ResultError, match='rank: expected a retrained winner, got rank 7; retrained so far: .1, 2.'):
        nni_dna.transfer(work, tmp_path / 'out', rank=7, data={'name': 'toys.images'})
    with pytest.raises(WorkFolderError, match='name the work folder of an experiment'):
        nni_dna.transfer(tmp_path, tmp_path / 'out', data={'name': 'toys.images'})


@pytest.mark.parametrize('network', [nn.Conv2d(3, 4, 3), nn.Sequential(nn.Linear(3, 4), nn.Linear(4, 5))])
def test_a_network_that_does_not_end_with_its_classes_is_refused(network):
    with pytest.raises(SpaceError, match='whose last Linear layer has the 4 outputs'):
        _renew_classifier(network, 4, 7)


@pytest.mark.parametrize('change', ['epochs=3', 'search.top_k=3', 'retrain=3', 'retrain.epochs'])
def test_a_setting_that_is_not_written_as_one_is_refused(work, tmp_path, capsys, change):
    assert main(['transfer', str(work), '--data', 'toys.images', '--set', change, '--output', str(tmp_path / 'out')]) == 1
    assert f'--set: expected data.KEY=VALUE or retrain.KEY=VALUE, got {change!r}' in capsys.readouterr().err


def test_weights_that_were_changed_are_not_loaded(work, tmp_path):
    nni_dna.transfer(work, tmp_path / 'out', data={'name': 'toys.images'}, retrain=FAST)
    (tmp_path / 'out' / 'model.safetensors').write_bytes(b'other')
    with pytest.raises(WeightsError, match='SHA-256'):
        nni_dna.load(tmp_path / 'out')


def test_an_output_that_cannot_be_written_is_refused(work, tmp_path):
    (tmp_path / 'file').touch()
    for place in (tmp_path / 'file', tmp_path / 'file' / 'in'):
        with pytest.raises(WorkFolderError, match='--output: '):
            nni_dna.transfer(work, place, data={'name': 'toys.images'}, retrain=FAST)
