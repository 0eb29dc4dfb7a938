"""Where the images come from: the evaluator's loaders in all of Lightning's forms, or those given to DNA."""

from __future__ import annotations

import itertools

import nni
import pytest
import pytorch_lightning as pl
import strategy_toys
import toys
import torch
from nni.nas.evaluator import FunctionalEvaluator
from nni.nas.evaluator.pytorch import DataLoader
from strategy_toys import Module, OwnLoaders, OwnTraining, Pictures, evaluator, lightning, loader

from nni_dna.data import images_of
from nni_dna.errors import DataError
from nni_dna.strategy.images import LoaderImages
from nni_dna.strategy.parts import Parts


def images(evaluator_=None, **loaders):
    return LoaderImages(Parts(space=(toys.Space, [], {}), evaluator=evaluator() if evaluator_ is None else evaluator_, **loaders))


def same(batches, *datasets):
    """Whether the batches hold the images of the datasets, in whatever order."""
    def contents(tensors):
        return sorted(image.numpy().tobytes() for images in tensors for image in images)
    return contents(map(images_of, batches)) == contents(dataset.images for dataset in datasets)


class Sequence(torch.utils.data.IterableDataset):
    """A dataset that does not know its length."""

    def __init__(self, train):
        self.pictures = Pictures(train)

    def __iter__(self):
        return iter([self.pictures[index] for index in range(len(self.pictures))])


def plain(train):
    return torch.utils.data.DataLoader(Pictures(train), batch_size=16)


@pytest.mark.parametrize('make', [
    lambda: images(evaluator()),
    lambda: images(evaluator(train_dataloaders=plain(True), val_dataloaders=plain(False))),
    lambda: images(evaluator(train_dataloaders=DataLoader(Sequence(True), batch_size=16),
                             val_dataloaders=DataLoader(Sequence(False), batch_size=16))),
    lambda: images(evaluator(train_dataloaders=None, val_dataloaders=None, datamodule=Module())),
    lambda: images(evaluator(train_dataloaders=[loader(size=8)], val_dataloaders=loader(size=8), datamodule=Module())),
    lambda: images(lightning(OwnLoaders())),
    lambda: images(lightning(OwnLoaders(), datamodule=pl.LightningDataModule())),
    lambda: images(lightning(train_dataloaders=loader()), val_dataloaders=loader(False)),
    lambda: images(FunctionalEvaluator(strategy_toys.by_function), train_dataloaders=loader(), val_dataloaders=loader(False)),
    lambda: images(evaluator(train_dataloaders=loader(size=8), val_dataloaders=loader(size=8)), train_dataloaders=loader(),
                   val_dataloaders=loader(False)),
], ids=['evaluator', 'not traced', 'without a length', 'datamodule', 'datamodule before loaders', 'module', 'empty datamodule',
        'one from DNA', 'DNA', 'DNA before evaluator'])
def test_images_come_from_where_they_are(make):
    found = make()
    assert found.image_shape == (3, 16, 16)
    assert same(found.distillation(), Pictures()) and same(found.calibration(), Pictures())
    assert same(found.holdout(), Pictures(False))


@pytest.mark.parametrize('wrap', [list, tuple, lambda loaders: dict(enumerate(loaders))], ids=['list', 'tuple', 'mapping'])
def test_several_loaders_are_read_in_turn(wrap):
    several = wrap([loader(batch_size=8), loader(False, batch_size=5)])
    for found in (images(evaluator(train_dataloaders=several, val_dataloaders=several)),
                  images(train_dataloaders=several, val_dataloaders=several)):
        for batches in (found.distillation(), found.calibration(), found.holdout()):
            assert len(batches) == 64 // 8 + 7
            for _ in range(2):  # every epoch anew
                assert same(batches, Pictures(), Pictures(False))
                assert len(list(batches)) == len(batches)


def test_every_reading_shuffles_anew_where_the_loader_does():
    found = images()
    torch.manual_seed(0)
    first, second = (torch.cat([batch[1] for batch in found.distillation()]) for _ in range(2))
    assert not torch.equal(first, second)
    torch.manual_seed(0)
    assert torch.equal(torch.cat([batch[1] for batch in found.distillation()]), first)


def test_images_without_labels_do():
    bare = {'train_dataloaders': loader(labels=False), 'val_dataloaders': loader(False, labels=False)}
    found = images(**bare)
    assert found.image_shape == (3, 16, 16)
    assert all(isinstance(batch, torch.Tensor) for batch in found.holdout())
    assert same(found.holdout(), Pictures(False))


def test_a_datamodule_is_set_up_before_it_is_asked():
    module = Module()
    images(lightning(datamodule=module)).image_shape
    assert set(module.stages) == {'fit'}


def test_loaders_given_to_dna_spare_those_of_the_evaluator():
    module = Module()
    images(lightning(datamodule=module), train_dataloaders=loader(), val_dataloaders=loader(False)).image_shape
    assert module.stages == []


@nni.trace
class HalfModule(pl.LightningDataModule):
    def train_dataloader(self):
        return loader()


@nni.trace
class Broken(OwnTraining):
    def train_dataloader(self):
        raise FileNotFoundError('/data/imagenet')

    def val_dataloader(self):
        return loader(False)


@nni.trace
class BrokenModule(Module):
    def setup(self, stage):
        raise FileNotFoundError('/data/imagenet')


@pytest.mark.parametrize(['name', 'kind', 'make'], [
    ('train_dataloaders', 'Classification', lambda: evaluator(train_dataloaders=None)),
    ('val_dataloaders', 'Classification', lambda: evaluator(val_dataloaders=None)),
    ('train_dataloaders', 'Lightning', lightning),
    ('val_dataloaders', 'Lightning', lambda: lightning(datamodule=HalfModule())),
    ('train_dataloaders', 'FunctionalEvaluator', lambda: FunctionalEvaluator(strategy_toys.by_function)),
])
def test_missing_loaders_are_named_with_where_to_give_them(name, kind, make):
    with pytest.raises(DataError, match=rf'^{name}: expected a loader .* and {kind} has none; .*DNA\({name}=...\)$'):
        images(make())


@pytest.mark.parametrize(['make', 'what'], [(lambda: lightning(Broken()), 'Broken'),
                                            (lambda: lightning(datamodule=BrokenModule()), 'BrokenModule')])
def test_what_a_users_own_loaders_raise_is_shown(make, what):
    with pytest.raises(DataError, match=f'^train_dataloaders: {what}.train_dataloader failed: FileNotFoundError: /data/imagenet'):
        images(make())


@pytest.mark.parametrize('name', ['train_dataloaders', 'val_dataloaders'])
@pytest.mark.parametrize(['make', 'words'], [
    (lambda: DataLoader(Pictures(count=8), batch_size=16, drop_last=True), 'expected at least one batch, got none; check'),
    (lambda: [], 'expected at least one batch, got none'),
    (lambda: [DataLoader(Pictures(count=8), batch_size=16, drop_last=True)], 'expected at least one batch, got none'),
    (lambda: 5, "reading the first batch failed: TypeError: 'int' object is not iterable"),
    (lambda: DataLoader(toys._Broken(torch.zeros(4, 3, 8, 8), [0] * 4)), 'reading the first batch failed: RuntimeError: this'),
    (lambda: DataLoader(toys.images(None)[0], batch_size=4), 'expected images of floating-point numbers, got torch.uint8'),
], ids=['too few', 'no loader in the list', 'empty in a list', 'no loader', 'broken', 'bytes'])
def test_loaders_that_give_no_images_are_named(name, make, words):
    with pytest.raises(DataError, match=f'^{name}: {words}'):
        images(**{name: make()}).image_shape


@pytest.mark.parametrize('batch', [{'images': torch.zeros(2, 3, 8, 8)}, torch.zeros(2, 8, 8), [[1, 2], [3]], [], None,
                                   [[torch.zeros(2, 3, 8, 8), torch.zeros(2)]]])
def test_batches_that_do_not_begin_with_images_are_refused(batch):
    with pytest.raises(DataError, match='expected batches that are, or begin with, images'):
        images(train_dataloaders=iter([batch])).image_shape


def test_images_of_two_sizes_are_refused():
    with pytest.raises(DataError, match=r'^val_dataloaders: expected images of shape \(3, 16, 16\), as .* got \(3, 8, 8\)$'):
        images(val_dataloaders=loader(False, size=8)).image_shape


def test_reading_the_shape_reads_one_batch_of_each(monkeypatch):
    counter = itertools.count()
    monkeypatch.setattr(strategy_toys, 'seen', lambda: next(counter))
    found = images(train_dataloaders=loader(batch_size=3), val_dataloaders=loader(False, batch_size=5))
    assert found.image_shape == found.image_shape == (3, 16, 16)
    assert next(counter) == 8
