"""A user's loader is read in the course of a training without changing what the training reads."""

from __future__ import annotations

import random

import numpy as np
import pytest
import torch
from nni.nas.evaluator import FunctionalEvaluator
from torch.utils.data import BatchSampler, DataLoader, Dataset, IterableDataset, RandomSampler

import toys
from nni_dna.strategy.images import LoaderImages
from nni_dna.strategy.parts import Parts


class Noise(Dataset):
    """Each image is drawn anew whenever it is read."""

    def __len__(self):
        return 8

    def __getitem__(self, index):
        return torch.rand(3, 4, 4) + random.random() + float(np.random.random()), index


class Stream(IterableDataset):
    def __iter__(self):
        return (Noise()[index] for index in range(8))


def sampler():
    return RandomSampler(range(8), generator=torch.Generator().manual_seed(1))


class Custom:
    """A loader of a kind of its own."""

    def __iter__(self):
        return iter([Noise()[index][0][None] for index in torch.randperm(8).tolist()])


LOADERS = {
    'plain': lambda: DataLoader(Noise(), 3, shuffle=True),
    'generator': lambda: DataLoader(Noise(), 3, shuffle=True, generator=torch.Generator().manual_seed(1)),
    'sampler': lambda: DataLoader(Noise(), 3, sampler=sampler()),
    'batch sampler': lambda: DataLoader(Noise(), batch_sampler=BatchSampler(sampler(), 3, False)),
    'stream': lambda: DataLoader(Stream(), 3),
    'workers': lambda: DataLoader(Noise(), 3, shuffle=True, num_workers=1, persistent_workers=True),
    'workers that end': lambda: DataLoader(Noise(), 3, sampler=sampler(), num_workers=1),
    'stream of a worker': lambda: DataLoader(Stream(), 3, num_workers=1, persistent_workers=True),
    'single images of a worker': lambda: DataLoader(Noise(), None, sampler=sampler(), num_workers=1),
    'several': lambda: [DataLoader(Noise(), 3, shuffle=True, num_workers=1, persistent_workers=True), DataLoader(Noise(), 2)],
    'custom': Custom,
}


def read(batches):
    return [part for batch in batches for part in (batch if isinstance(batch, (list, tuple)) else [batch])]


def images_of(make):
    random.seed(0)
    np.random.seed(0)
    torch.manual_seed(0)
    return LoaderImages(Parts(space=(toys.Space, (), {}), evaluator=FunctionalEvaluator(len), train_dataloaders=make(),
                              val_dataloaders=make()))


@pytest.mark.parametrize('name', LOADERS)
def test_training_reads_the_same_whether_or_not_images_were_read_in_between(name):
    found, between = [], []
    for reads in (0, 2):
        images, epochs = images_of(LOADERS[name]), []
        for _ in range(3):
            epochs.append(read(images.distillation()))
            for _ in range(reads):
                with images.undisturbed() as same:
                    between.append((read(same.calibration()), read(same.holdout())))
        found.append(epochs + [torch.rand(3), np.random.random(), random.random()])
    for one, other in zip(*found):
        assert np.array_equal(np.concatenate([np.ravel(part) for part in one]) if isinstance(one, list) else one,
                              np.concatenate([np.ravel(part) for part in other]) if isinstance(other, list) else other)
    assert all(len(part) == len(found[0][0]) for parts in between for part in parts)


def test_the_images_in_between_are_those_that_would_come_next():
    images = images_of(LOADERS['generator'])
    with images.undisturbed() as same:
        between = read(same.calibration())
    assert all(torch.equal(one, other) for one, other in zip(between, read(images.distillation()), strict=True))


def test_workers_give_the_same_images_in_the_same_order():
    images = images_of(lambda: DataLoader(range(8), 3, sampler=sampler(), num_workers=1, persistent_workers=True))
    with images.undisturbed() as same:
        between = [batch.tolist() for batch in same.calibration()]
    assert between == [batch.tolist() for batch in images.distillation()]
