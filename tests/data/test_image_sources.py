"""Where images come from, and what is said when they do not come."""

import numpy as np
import pytest
import torch
from PIL import Image
from sklearn.datasets import load_digits

from nni_dna.data import load_task
from nni_dna.errors import DataError, SettingsError

user_sources = '''
def pairs(root, count=4):
    """Datasets without ``targets``: lists of (image, label)."""
    return [('image', index % 3) for index in range(count)], [('image', 0)]

def empty(root):
    return [], []

def one(root):
    return [('image', 0)]

def untested(root):
    return [('image', 0)], []

def rooted(root):
    return [(str(root), 0)], [(str(root), 0)]

def failing(root):
    raise OSError('the disk is on fire')

number = 3
'''


@pytest.fixture
def user_module(tmp_path, monkeypatch):
    (tmp_path / 'user_data_module.py').write_text(user_sources)
    (tmp_path / 'user_data_broken.py').write_text('import a_package_that_is_not_there')
    monkeypatch.syspath_prepend(tmp_path)
    return 'user_data_module'


def image_folder(root, splits, size=(6, 5)):
    """One-colour PNGs: {'train': {'cat': 3, 'dog': 2}, ...} -> root/train/cat/0.png ..."""
    for split, classes in splits.items():
        for name, count in classes.items():
            folder = root / split / name
            folder.mkdir(parents=True)
            for index in range(count):
                Image.new('RGB', size, (10 * index, 0, len(name))).save(folder / f'{index}.png')
    return root


def test_the_digits_are_the_1797_of_scikit_learn_each_in_one_split():
    task = load_task('digits', None, {})
    assert len(task.train) + len(task.test) == 1797
    assert len(task.test) == 599
    assert task.num_classes == 10
    originals = {(image.round().astype(int).tobytes(), int(label))
                 for image, label in zip(*load_digits(return_X_y=True))}
    loaded = [(np.rint(image[0].numpy() / (255 / 16)).astype(int).tobytes(), label)
              for dataset in (task.train, task.test) for image, label in (dataset[i] for i in range(len(dataset)))]
    assert len(loaded) == 1797 and set(loaded) == originals


def test_the_digits_are_colour_images_with_every_class_in_both_splits():
    task = load_task('digits', None, {})
    image, label = task.train[0]
    assert image.shape == (3, 8, 8) and image.dtype == torch.uint8
    assert torch.equal(image[0], image[1]) and torch.equal(image[0], image[2])
    assert label == task.labels[0]
    assert set(task.labels) == {task.test[i][1] for i in range(len(task.test))} == set(range(10))
    assert max(int(task.train[i][0].max()) for i in range(50)) == 255


@pytest.mark.parametrize('test_name', ['test', 'val'])
def test_an_image_folder_is_read_with_its_classes_in_order(tmp_path, test_name):
    root = image_folder(tmp_path, {'train': {'dog': 2, 'cat': 3}, test_name: {'cat': 1, 'dog': 1}})
    task = load_task('imagefolder', root, {})
    assert list(task.labels) == [0, 0, 0, 1, 1]
    assert len(task.test) == 2 and task.num_classes == 2
    assert task.train[1][0].size == (6, 5) and task.train[1][0].getpixel((0, 0)) == (10, 0, 3)


def test_an_image_folder_prefers_test_over_val(tmp_path):
    root = image_folder(tmp_path, {'train': {'a': 2}, 'test': {'a': 1}, 'val': {'a': 4}})
    assert len(load_task('imagefolder', root, {}).test) == 1


def test_arguments_reach_the_source(tmp_path):
    root = image_folder(tmp_path, {'train': {'a': 2, 'b': 1}, 'test': {'a': 1, 'b': 1}})
    task = load_task('imagefolder', root, {'target_transform': lambda label: label + 5})
    assert task.train[0][1] == 5


@pytest.mark.parametrize('splits, message', [
    ({'train': {'a': 1, 'b': 1}, 'test': {'a': 1}}, "the same class folders in 'train' and 'test'.*got 2 and 1"),
    ({'train': {'a': 1, 'b': 1}, 'val': {'a': 1, 'c': 1}}, "the same class folders in 'train' and 'val'.*that differ"),
    ({'train': {'a': 1}}, "hold the folders 'train' and 'test'"),
    ({'test': {'a': 1}}, "hold the folders 'train' and 'test'"),
    ({'train': {'a': 0}, 'test': {'a': 1}}, "loading 'imagefolder' from .* failed: FileNotFoundError"),
], ids=['class missing', 'class renamed', 'no test', 'no train', 'empty class'])
def test_a_folder_that_is_no_image_task_is_refused(tmp_path, splits, message):
    with pytest.raises(DataError, match=message):
        load_task('imagefolder', image_folder(tmp_path, splits), {})


@pytest.mark.parametrize('name', ['cifar10', 'cifar100', 'imagefolder'])
def test_a_source_without_its_folder_is_refused(tmp_path, name):
    with pytest.raises(DataError, match='data.root: expected the folder of the dataset, got nothing'):
        load_task(name, None, {})
    with pytest.raises(DataError, match='data.root: expected an existing folder, got .*nowhere'):
        load_task(name, tmp_path / 'nowhere', {})
    file = tmp_path / 'file'
    file.touch()
    with pytest.raises(DataError, match='data.root: expected an existing folder, got .*file'):
        load_task(name, file, {})


@pytest.mark.parametrize('name', ['cifar10', 'cifar100'])
def test_cifar_that_is_not_in_its_folder_is_refused(tmp_path, name):
    with pytest.raises(DataError, match=f"loading '{name}' from .* failed: RuntimeError: Dataset not found"):
        load_task(name, tmp_path, {})


def test_a_users_function_gives_a_task(user_module, tmp_path):
    task = load_task(f'{user_module}.pairs', tmp_path, {'count': 7})
    assert list(task.labels) == [0, 1, 2, 0, 1, 2, 0]
    assert task.num_classes == 3
    assert load_task(f'{user_module}:rooted', tmp_path, {}).train[0][0] == str(tmp_path)


@pytest.mark.parametrize('name, args, error, message', [
    ('digit', {}, DataError, "data.name: expected one of digits, .* got 'digit'; nearest known: digits"),
    ('cifar-10', {}, DataError, 'nearest known: cifar10'),
    ('user_data_module.failing', {}, DataError, 'failed: OSError: the disk is on fire'),
    ('user_data_module.pairs', {'size': 3}, DataError, "failed: TypeError: .*'size'"),
    ('user_data_module.empty', {}, DataError, 'at least one training and one test image, got 0 and 0'),
    ('user_data_module.untested', {}, DataError, 'at least one training and one test image, got 1 and 0'),
    ('user_data_module.one', {}, DataError, 'failed: ValueError'),
    ('user_data_module.number', {}, DataError, 'failed: TypeError'),
    ('user_data_module.nothing', {}, SettingsError, "data.name: module 'user_data_module' has no 'nothing'"),
    ('user_data_broken.f', {}, SettingsError, 'data.name: cannot import module .*a_package_that_is_not_there'),
    ('no_such_module_either.f', {}, SettingsError, "data.name: cannot import module 'no_such_module_either'"),
    ('cifar10', {'colour': 1}, DataError, 'data.root'),
])
def test_a_name_that_gives_no_images_is_refused(user_module, name, args, error, message):
    with pytest.raises(error, match=message):
        load_task(name, None, args)
