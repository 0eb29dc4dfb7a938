"""The loaders of a task: what they hold, in which order, and how the images are prepared."""

import pytest
import torch
from PIL import Image

from nni_dna.data import ImageData
from nni_dna.data.sources import TensorImages
from nni_dna.errors import DataError
from nni_dna.settings.sections import DataSettings

CLASSES, TRAIN, TEST = 3, 60, 20


def marked(root, size=8):
    """Images whose grey value is their number: 0 .. 59 to train, 100 .. 119 to test."""
    def make(numbers):
        values = torch.tensor(list(numbers), dtype=torch.uint8)
        return TensorImages(values[:, None, None, None].expand(-1, 3, size, size), [n % CLASSES for n in numbers])
    return make(range(TRAIN)), make(range(100, 100 + TEST))


def pictures(root, mode='RGB', size=(12, 10)):
    """PIL images that are wider than high: left half dark, right half light."""
    def make(count):
        found = []
        for index in range(count):
            picture = Image.new(mode, size)
            picture.paste(Image.new(mode, (size[0] // 2, size[1]), 'white'), (size[0] // 2, 0))
            found.append((picture, index % 2))
        return found
    return make(8), make(4)


def flat(root):
    return [(torch.zeros(8, 8, dtype=torch.uint8)[None, None], 0)] * 4, [(torch.zeros(1, 1, 8, 8), 0)]


def make_data(seed=0, **changes):
    return ImageData(DataSettings(**{'name': f'{__name__}.marked', 'image_size': 8, 'batch_size': 16, 'augment': 'none',
                                     'holdout_per_class': 5, 'mean': [0.0], 'std': [1.0], **changes}), seed)


def numbers(loader):
    """The numbers of the images, in the order in which they come; their labels are checked."""
    found = []
    for images, labels in loader:
        batch = (images[:, 0, 4, 4] * 255).round().int().tolist()
        assert labels.tolist() == [number % CLASSES for number in batch]
        found += batch
    return found


def test_held_out_images_are_in_no_loader_of_the_distillation():
    data = make_data()
    held = set(numbers(data.holdout()))
    assert len(held) == 5 * CLASSES
    assert sorted(numbers(data.distillation())) == sorted(set(range(TRAIN)) - held)
    assert sorted(numbers(data.calibration())) == sorted(set(range(TRAIN)) - held)


def test_retraining_covers_all_training_images_and_the_test_no_other():
    data = make_data()
    assert sorted(numbers(data.retraining())) == list(range(TRAIN))
    assert numbers(data.test()) == list(range(100, 100 + TEST))


@pytest.mark.parametrize('name', ['distillation', 'calibration', 'retraining'])
def test_the_order_of_training_images_depends_on_the_seed_only(name):
    first, again, other = (numbers(getattr(make_data(seed), name)()) for seed in (1, 1, 2))
    assert first == again != other
    assert first != sorted(first)


def test_one_loader_gives_a_new_order_in_each_epoch():
    loader = make_data().retraining()
    assert numbers(loader) != numbers(loader)


def test_the_held_out_images_depend_on_the_seed_only():
    held = [numbers(make_data(seed).holdout()) for seed in (1, 1, 2)]
    assert held[0] == held[1] == sorted(held[0]) != held[2]


@pytest.mark.parametrize('augment', ['none', 'crop', 'crop_flip', 'imagenet'])
@pytest.mark.parametrize('source', ['marked', 'pictures'])
def test_batches_have_the_size_that_the_settings_name(augment, source):
    data = make_data(name=f'{__name__}.{source}', image_size=16, augment=augment, batch_size=4, holdout_per_class=1)
    assert data.image_shape == (3, 16, 16)
    for loader in (data.distillation(), data.calibration(), data.holdout(), data.retraining(), data.test()):
        images, labels = next(iter(loader))
        assert images.shape == (len(labels), 3, 16, 16) and len(labels) <= 4
        assert images.dtype == torch.float32 and labels.dtype == torch.int64


def test_the_last_batch_holds_what_is_left():
    assert [len(labels) for _, labels in make_data().retraining()] == [16, 16, 16, 12]


def test_images_are_scaled_and_normalised_per_channel():
    data = make_data(mean=[0.1, 0.2, 0.3], std=[0.5, 1.0, 2.0])
    images, _ = next(iter(data.test()))
    for channel, (mean, std) in enumerate([(0.1, 0.5), (0.2, 1.0), (0.3, 2.0)]):
        assert torch.allclose(images[3, channel], torch.tensor((103 / 255 - mean) / std))


def test_a_wide_picture_is_cropped_at_both_sides():
    image = next(iter(make_data(name=f'{__name__}.pictures', image_size=10, holdout_per_class=1).test()))[0][0, 0]
    assert torch.equal(image, torch.tensor([0.0] * 5 + [1.0] * 5).expand(10, 10))


def test_only_training_images_are_augmented():
    data = make_data(name=f'{__name__}.pictures', image_size=16, augment='crop_flip', holdout_per_class=1)

    def flips(loader):
        images = torch.cat([images for images, _ in loader])[:, 0]
        return {bool(picture[:, :8].mean() > picture[:, 8:].mean()) for picture in images}

    torch.manual_seed(0)
    assert flips(data.retraining()) == {True, False}
    assert flips(data.calibration()) == flips(data.holdout()) == flips(data.test()) == {False}
    assert torch.unique(torch.cat([images for images, _ in data.calibration()]), dim=0).shape[0] == 1


def test_images_of_another_shape_are_refused():
    with pytest.raises(DataError, match=r'data.name: expected images of shape \(channels, height, width\)'):
        make_data(name=f'{__name__}.flat', holdout_per_class=1)


def test_a_task_with_too_few_images_to_hold_out_is_refused():
    with pytest.raises(DataError, match='expected fewer than the 20 images of class 0, got 20'):
        make_data(holdout_per_class=20)


def test_no_batch_holds_a_single_training_image():
    data = make_data(holdout_per_class=9)
    assert len(data.distillation().dataset) == TRAIN - 9 * CLASSES == 33
    assert min(len(labels) for _, labels in data.distillation()) > 1
