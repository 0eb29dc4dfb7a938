"""The images of a loader's batch, whatever comes with them."""

import pytest
import torch
from torch.utils.data import DataLoader, TensorDataset

from nni_dna.data import images_of
from nni_dna.errors import DataError

IMAGES = torch.rand(4, 3, 5, 5)


@pytest.mark.parametrize('batch', [
    IMAGES, [IMAGES], (IMAGES, torch.arange(4)), [IMAGES, torch.arange(4)], (IMAGES, 'names', None)],
    ids=['alone', 'one', 'labels', 'list', 'more'])
def test_a_batch_is_images_or_begins_with_them(batch):
    assert images_of(batch) is IMAGES


@pytest.mark.parametrize('dataset', [IMAGES, TensorDataset(IMAGES), TensorDataset(IMAGES, torch.arange(4))],
                         ids=['alone', 'one', 'labels'])
def test_a_plain_loaders_batches_are_taken(dataset):
    assert torch.equal(torch.cat([images_of(batch) for batch in DataLoader(dataset, batch_size=3)]), IMAGES)


@pytest.mark.parametrize('batch, got', [
    ({'image': IMAGES}, 'dict'), (None, 'NoneType'), ((), 'tuple'), ([], 'list'), ([[IMAGES]], 'list'), ('images', 'str'),
    (torch.arange(4), r'a tensor of shape \(4,\)'), (IMAGES[0], r'a tensor of shape \(3, 5, 5\)'),
    ((torch.arange(4), IMAGES), r'a tensor of shape \(4,\)'), (IMAGES.numpy(), 'ndarray')])
def test_any_other_batch_is_refused_with_what_came(batch, got):
    with pytest.raises(DataError, match=rf'begin with, images \(batch, channels, height, width\), got {got}; let the loader'):
        images_of(batch)
