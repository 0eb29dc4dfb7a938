"""The augmentations of a recipe, on images and on batches."""

import pytest
import torch

from nni_dna.data import ImageData
from nni_dna.retrain import RECIPES, quick, training_batches
from nni_dna.retrain.augmenting import on_batches, on_images, on_normalised
from nni_dna.settings.sections import DataSettings


def data(**changes):
    return ImageData(DataSettings(**{'name': 'toys.images', 'image_size': 16, 'batch_size': 16, 'holdout_per_class': 2,
                                     'augment': 'none', **changes}), seed=0)


def first(batches):
    torch.manual_seed(0)
    return next(iter(batches))


@pytest.mark.parametrize('name', RECIPES)
def test_every_recipe_gives_batches_of_images(name):
    images, labels = first(training_batches(data(), RECIPES[name]()))
    assert images.shape == (16, 3, 16, 16) and images.dtype == torch.float32 and images.isfinite().all()
    assert labels.dtype == torch.int64


def test_a_recipe_without_augmentations_leaves_those_of_the_data_section():
    for augment in ('none', 'crop_flip', 'imagenet'):
        given = data(augment=augment)
        assert torch.equal(first(training_batches(given, quick()))[0], first(data(augment=augment).retraining())[0])


def test_a_recipes_augmentation_stands_in_for_the_data_sections():
    found = first(training_batches(data(augment='imagenet'), quick(augment='crop')))[0]
    assert torch.equal(found, first(data(augment='crop').retraining())[0])


def test_resized_crops_are_those_of_imagenet_without_jitter():
    images = first(data(mean=[0.0], std=[1.0]).retraining('imagenet'))[0] * 255
    assert images.min() >= 0 and images.max() <= 210.5  # no jitter takes a toy image beyond its own brightness (60 + 150)


@pytest.mark.parametrize('change', [{'color_jitter': 0.3}, {'auto_augment': 'rand'}, {'auto_augment': 'trivial'},
                                    {'random_erasing': 1.0}])
def test_each_augmentation_changes_the_images(change):
    plain = first(training_batches(data(), quick()))[0]
    assert not torch.equal(first(training_batches(data(), quick(**change)))[0], plain)


def test_the_strength_of_the_jitter_is_the_recipes():
    jitter, = on_images(quick(color_jitter=0.06))
    assert tuple(jitter.brightness) == tuple(jitter.contrast) == tuple(jitter.saturation) == pytest.approx((0.94, 1.06))
    assert jitter.hue is None


def test_the_share_of_erased_images_is_the_recipes():
    erase, = on_normalised(quick(random_erasing=0.25))
    torch.manual_seed(0)
    erased = [bool((erase(torch.ones(3, 8, 8)) == 0).any()) for _ in range(800)]
    assert sum(erased) / 800 == pytest.approx(0.25, abs=0.05)


def test_mixup_gives_convex_sums_of_images_and_labels():
    images = torch.eye(4).reshape(4, 1, 2, 2).expand(-1, 3, -1, -1)
    torch.manual_seed(0)
    mixed, shares = on_batches(quick(mixup=0.8), 4)(images, torch.arange(4))
    assert torch.allclose(shares.sum(1), torch.ones(4))
    assert torch.allclose(mixed[:, 0].flatten(1), shares, atol=1e-6)  # the images are the labels' one-hot vectors


def test_cutmix_gives_labels_the_share_of_their_pixels():
    images = torch.arange(4.0).reshape(4, 1, 1, 1).expand(-1, 3, 16, 16)
    torch.manual_seed(1)
    mixed, shares = on_batches(quick(cutmix=1.0), 4)(images, torch.arange(4))
    for picture, share in zip(mixed, shares):
        pixels = torch.bincount(picture[0].flatten().long(), minlength=4) / 256
        assert torch.allclose(pixels, share, atol=1e-6)


def test_with_both_a_batch_takes_one_of_them():
    mix = on_batches(quick(mixup=1.0, cutmix=1.0), 4)
    images = torch.arange(4.0).reshape(4, 1, 1, 1).expand(-1, 3, 16, 16)
    torch.manual_seed(0)
    whole = [bool((mix(images, torch.arange(4))[0].frac() == 0).all()) for _ in range(60)]
    assert 15 < sum(whole) < 45


def test_a_recipe_that_does_not_mix_has_nothing_that_does():
    assert on_batches(quick(), 4) is None


def test_processes_that_share_the_images_never_train_batchnorm_on_a_single_one():
    # 66 images: 33 for each of two, which is two batches of 16 and a lonely image.
    given = data(args={'count': 66})
    assert not given.retraining().drop_last and given.retraining(processes=2).drop_last
