"""Which images are held out."""

from collections import Counter

import pytest
import torch
from PIL import Image

from nni_dna.data import ImageData, split_any, split_holdout
from nni_dna.data.sources import TensorImages
from nni_dna.errors import DataError
from nni_dna.settings.sections import DataSettings

LABELS = [0] * 10 + [2] * 5 + [1] * 7 + [0] * 3


def test_held_out_and_kept_images_are_disjoint_and_together_all():
    kept, held = split_holdout(LABELS, 3, seed=0)
    assert sorted(kept + held) == list(range(len(LABELS)))
    assert kept == sorted(kept) and held == sorted(held)


@pytest.mark.parametrize('per_class', [1, 3, 4])
def test_every_class_gives_the_same_number_of_images(per_class):
    _, held = split_holdout(LABELS, per_class, seed=1)
    assert Counter(LABELS[index] for index in held) == {0: per_class, 1: per_class, 2: per_class}


def test_the_choice_depends_on_the_seed_only():
    assert split_holdout(LABELS, 3, seed=5) == split_holdout(list(LABELS), 3, seed=5)
    assert len({tuple(split_holdout(LABELS, 3, seed)[1]) for seed in range(10)}) > 1


def test_every_image_of_a_class_is_held_out_equally_often():
    counts = Counter(index for seed in range(600) for index in split_holdout([0] * 6, 2, seed)[1])
    # 200 expected, standard deviation 11.5
    assert all(150 < counts[index] < 250 for index in range(6))


@pytest.mark.parametrize('per_class', [5, 6])
def test_a_class_must_keep_an_image_to_train_on(per_class):
    with pytest.raises(DataError, match=f'fewer than the 5 images of class 2, got {per_class}; lower data.holdout'):
        split_holdout(LABELS, per_class, seed=0)


# A number of images in all

@pytest.mark.parametrize('number', [1, 10, 24])
def test_a_number_of_images_is_held_out_whatever_their_classes(number):
    kept, held = split_any(25, number, seed=0)
    assert len(held) == number
    assert sorted(kept + held) == list(range(25)) and kept == sorted(kept) and held == sorted(held)
    assert split_any(25, number, seed=0) == (kept, held)


def test_of_all_images_each_is_held_out_equally_often():
    counts = Counter(index for seed in range(600) for index in split_any(6, 2, seed)[1])
    assert all(150 < counts[index] < 250 for index in range(6))


@pytest.mark.parametrize('number', [25, 26])
def test_an_image_must_be_left_to_train_on(number):
    with pytest.raises(DataError, match=f'data.holdout_images: expected fewer than the 25 training images, got {number}; lower'):
        split_any(25, number, seed=0)


# The loaders

def data(root=None, source='pictures', seed=0, **holdout):
    return ImageData(DataSettings(name=source if source == 'imagefolder' else f'{__name__}.{source}', root=root, image_size=4,
                                  batch_size=8, augment='none', mean=[0.0], std=[1.0], **holdout), seed)


def pictures(root):
    """Grey images whose value is their number; three classes without names."""
    def make(numbers):
        values = torch.tensor(list(numbers), dtype=torch.uint8)
        return TensorImages(values[:, None, None, None].expand(-1, 3, 4, 4), [number % 3 for number in numbers])
    return make(range(30)), make(range(100, 106))


def folder(root, classes):
    """One-colour pictures: {'cat': [3, 4], ...} gives cat/3.png of grey value 3."""
    for name, values in classes.items():
        (root / name).mkdir(parents=True)
        for value in values:
            Image.new('RGB', (4, 4), (value,) * 3).save(root / name / f'{value}.png')
    return root


def seen(loader):
    """(number, label) of all images, sorted."""
    return sorted((round(image[0, 0, 0].item() * 255), int(label))
                  for images, labels in loader for image, label in zip(images, labels))


def test_images_held_out_in_all_are_in_no_other_loader_of_the_distillation():
    images = data(holdout_images=11, seed=3)
    held = seen(images.holdout())
    assert [number for number, _ in held] == split_any(30, 11, 3)[1]
    assert sorted(held + seen(images.distillation())) == seen(images.retraining()) == [(n, n % 3) for n in range(30)]
    assert seen(images.calibration()) == seen(images.distillation())


def test_images_of_a_folder_are_rated_on_and_all_training_images_are_trained_on(tmp_path):
    images = data(holdout_folder=folder(tmp_path, {'a': [200], 'b': [210, 211], 'c': [220]}))
    assert seen(images.holdout()) == [(200, 0), (210, 1), (211, 1), (220, 2)]
    for loader in (images.distillation(), images.calibration(), images.retraining()):
        assert seen(loader) == [(number, number % 3) for number in range(30)]


def test_the_classes_of_a_folder_are_those_of_the_training_images_by_name(tmp_path):
    root = tmp_path / 'images'
    for split in ('train', 'val'):
        folder(root / split, {'ant': [1, 2], 'bee': [3], 'cat': [4], 'dog': [5]})
    images = data(root, 'imagefolder', holdout_folder=folder(tmp_path / 'others', {'dog': [50], 'bee': [30]}))
    assert seen(images.holdout()) == [(30, 1), (50, 3)]


@pytest.mark.parametrize('classes, message', [
    (None, 'expected an existing folder, got '), ({}, 'expected .* to hold a folder of images per class, got FileNotFoundError'),
    ({'a': [1], 'b': [], 'c': [2]}, 'to hold a folder of images per class, got FileNotFoundError'),
    ({'a': [1], 'b': [2]}, 'to hold a folder for each of the 3 classes, in their order, got 2'),
])
def test_a_folder_that_holds_no_such_images_is_refused(tmp_path, classes, message):
    others = tmp_path / 'others'
    if classes is not None:
        others.mkdir()
        folder(others, classes)
    with pytest.raises(DataError, match=f'data.holdout_folder: .*{message}'):
        data(holdout_folder=others)


def test_a_class_that_the_training_images_do_not_have_is_refused(tmp_path):
    root = tmp_path / 'images'
    for split in ('train', 'val'):
        folder(root / split, {'ant': [1, 2], 'bee': [3]})
    with pytest.raises(DataError, match=r'data.holdout_folder: .*\(ant, bee, ...\), got wasp'):
        data(root, 'imagefolder', holdout_folder=folder(tmp_path / 'others', {'ant': [1], 'wasp': [2]}))
