"""Colour jitter, random erasing and the crop: which images they change, and how."""

import pytest
import torch
from torchvision.transforms import v2

from nni_dna.data import ImageData
from nni_dna.data.sources import TensorImages
from nni_dna.settings.sections import DataSettings

SIZE = 24


def ramps(root):
    """Pictures that are brighter from left to right, one like the other."""
    def make(count):
        ramp = torch.linspace(40, 200, SIZE).round().to(torch.uint8).expand(count, 3, SIZE, SIZE).contiguous()
        return TensorImages(ramp, [index % 2 for index in range(count)])
    return make(60), make(10)


def data(**changes):
    return ImageData(DataSettings(**{'name': f'{__name__}.ramps', 'image_size': SIZE, 'batch_size': 64, 'augment': 'none',
                                     'holdout_per_class': 5, 'mean': [0.5], 'std': [0.25], **changes}), 0)


def images(loader):
    torch.manual_seed(0)
    return torch.cat([batch for batch, _ in loader])


def plain():
    return images(data().test())[0]


def erased(pictures):
    """Per picture the pixels that are not what they were."""
    return (pictures != plain()).any(1)


def test_by_default_nothing_is_erased_and_no_colour_changed():
    for loader in (data().distillation(), data().retraining()):
        assert all(torch.equal(picture, plain()) for picture in images(loader))


@pytest.mark.parametrize('probability', [0.5, 1])
def test_rectangles_are_erased_from_the_images_of_the_distillation_with_the_probability(probability):
    changed = erased(images(data(random_erasing=probability).distillation()))
    share = changed.flatten(1).any(1).float().mean().item()
    assert share == 1 if probability == 1 else 0.25 < share < 0.75
    for mask in changed[changed.flatten(1).any(1)]:
        rows, columns = mask.any(1).nonzero(), mask.any(0).nonzero()
        height, width = (int(found.max() - found.min()) + 1 for found in (rows, columns))
        assert mask.sum() == height * width  # a whole rectangle
        assert 0.01 < height * width / SIZE ** 2 < 0.37
        assert 0.2 < height / width < 5


def test_what_is_erased_becomes_noise_of_the_normalised_images_scale():
    pictures = images(data(random_erasing=1).distillation())
    values = pictures.transpose(0, 1)[:, erased(pictures)].flatten()
    assert abs(values.mean()) < 0.05 and abs(values.std() - 1) < 0.05


def test_only_images_of_the_distillation_are_erased():
    loaders = data(random_erasing=1)
    for loader in (loaders.calibration(), loaders.holdout(), loaders.retraining(), loaders.test()):
        assert not erased(images(loader)).any()


@pytest.mark.parametrize('augment, jitter, expected', [
    ('none', 0.3, 0.3), ('none', None, 0), ('crop', None, 0), ('imagenet', None, 0.4), ('imagenet', 0.1, 0.1),
    ('imagenet', 0, 0)])
def test_colours_are_jittered_as_far_as_the_setting_says_or_the_augmentation(augment, jitter, expected):
    loaders = data(augment=augment, color_jitter=jitter)
    for loader in (loaders.distillation(), loaders.retraining()):
        found = [step for step in loader.dataset.transform.transforms if isinstance(step, v2.ColorJitter)]
        ranges = [(step.brightness, step.contrast, step.saturation, step.hue) for step in found]
        assert ranges == ([((1 - expected, 1 + expected),) * 3 + (None,)] if expected else [])
    pictures = images(data(color_jitter=jitter).distillation())
    assert (pictures != plain()).any() == bool(jitter)


def test_images_that_are_rated_or_tested_keep_their_colours():
    loaders = data(color_jitter=0.4)
    for loader in (loaders.calibration(), loaders.holdout(), loaders.test()):
        assert all(torch.equal(picture, plain()) for picture in images(loader))


@pytest.mark.parametrize('share', [0.5, 0.75])
def test_the_middle_of_images_that_are_not_augmented_is_kept(share):
    loaders = data(center_crop=share, image_size=12)
    # Of the ramp, each side loses half of the rest.
    low, high = (40 + 160 * edge for edge in ((1 - share) / 2, (1 + share) / 2))
    for loader in (loaders.calibration(), loaders.holdout(), loaders.test(), loaders.distillation()):
        row = images(loader)[0, 0, 6] * 0.25 * 255 + 0.5 * 255
        assert len(row) == 12
        step = (high - low) / 12
        assert row[0].item() == pytest.approx(low + step / 2, abs=4) and row[-1].item() == pytest.approx(high - step / 2, abs=4)
