"""Experiments of seconds with NNI's Python API: images, evaluators, a strategy. Imported by path in trials."""

from __future__ import annotations

import functools
from pathlib import Path

import nni
import pytorch_lightning as pl
import toys
import torch
from nni.nas.evaluator.pytorch import Classification, DataLoader, Lightning, LightningModule, Trainer
from nni.nas.experiment import NasExperiment, NasExperimentConfig
from nni.nas.nn.pytorch import ModelSpace, MutableModule
from nni.nas.oneshot.pytorch.supermodule.base import BaseSuperNetModule
from torch import nn
from torch.utils.data import Dataset

from nni_dna import DNA

QUIET = {'accelerator': 'cpu', 'logger': False, 'enable_checkpointing': False, 'enable_progress_bar': False,
         'enable_model_summary': False}
"""Options of a Lightning trainer that leaves nothing behind."""


def seen():
    """Called for every image; tests put something else in its place."""


@nni.trace
class Pictures(Dataset):
    """The images of ``toys.images``, as they go into a network."""

    def __init__(self, train=True, count=64, size=16, labels=True):
        pictures = toys.images(None, count, size)[0 if train else 1]
        self.images = pictures.images.float() / 255 - 0.5
        self.labels = torch.tensor(pictures.targets) if labels else None

    def __len__(self):
        return len(self.images)

    def __getitem__(self, index):
        seen()
        return self.images[index] if self.labels is None else (self.images[index], self.labels[index])


def loader(train=True, batch_size=16, **options):
    """A loader that NNI can send to trials."""
    return DataLoader(Pictures(train, **options), batch_size=batch_size, shuffle=train)


def evaluator(**changes):
    """An evaluator of NNI's; None leaves an argument out."""
    given = {'num_classes': 4, 'learning_rate': 0.01, 'max_epochs': 2, 'train_dataloaders': loader(),
             'val_dataloaders': loader(False), **QUIET, **changes}
    return Classification(**{key: value for key, value in given.items() if value is not None})


class Untraced(Dataset):
    """A dataset as in any script: not traced, and too large to be sent."""

    def __init__(self, train):
        pictures = Pictures(train)
        self.images, self.labels = pictures.images, pictures.labels

    def __len__(self):
        return len(self.labels)

    def __getitem__(self, index):
        return self.images[index], self.labels[index]


def untraced():
    make = torch.utils.data.DataLoader
    return evaluator(train_dataloaders=make(Untraced(True), 16, shuffle=True), val_dataloaders=make(Untraced(False), 16))


@nni.trace
class OwnTraining(LightningModule):
    """A user's own way to train, which reports more than a number."""

    def __init__(self, lr=0.05):
        super().__init__()
        self.lr = lr
        self.right = []

    def training_step(self, batch, batch_idx):
        images, labels = batch
        return nn.functional.cross_entropy(self.model(images), labels)

    def validation_step(self, batch, batch_idx):
        images, labels = batch
        self.right += (self.model(images).argmax(1) == labels).tolist()

    def on_validation_epoch_end(self):
        self.share = sum(self.right) / len(self.right)
        self.right.clear()
        if not self.trainer.sanity_checking:
            nni.report_intermediate_result({'default': self.share, 'epoch': self.trainer.current_epoch})

    def on_fit_end(self):
        nni.report_final_result({'default': self.share, 'lr': self.lr})

    def configure_optimizers(self):
        return torch.optim.SGD(self.model.parameters(), lr=self.lr)


@nni.trace
class OwnLoaders(OwnTraining):
    """The same, with loaders of its own."""

    def train_dataloader(self):
        return loader()

    def val_dataloader(self):
        return loader(False, batch_size=8)


@nni.trace
class Module(pl.LightningDataModule):
    """Loaders in a datamodule; counts how often it was set up."""

    def __init__(self, batch_size=16):
        super().__init__()
        self.batch_size = batch_size
        self.stages = []

    def setup(self, stage):
        self.stages.append(stage)
        self.pictures = Pictures(), Pictures(False)

    def train_dataloader(self):
        return torch.utils.data.DataLoader(self.pictures[0], self.batch_size)

    def val_dataloader(self):
        return torch.utils.data.DataLoader(self.pictures[1], self.batch_size)


def lightning(module=None, max_epochs=2, **options):
    """An evaluator with a user's own Lightning module."""
    return Lightning(OwnTraining() if module is None else module, Trainer(max_epochs=max_epochs, **QUIET), **options)


def by_function(network, results=(0.25,), final=0.5):
    """An evaluator's function that trains nothing."""
    for result in results:
        nni.report_intermediate_result(result)
    if final is not None:
        nni.report_final_result(final)


# A model space with a choice of the user's own

class Scale(nn.Module):
    def __init__(self, factor):
        super().__init__()
        self.factor = factor

    def forward(self, x):
        return x * self.factor


class ScaleChoice(MutableModule):
    """A choice that NNI does not know."""

    def __init__(self, label, factors):
        super().__init__()
        self.factor = nni.choice(label, factors)
        self.add_mutable(self.factor)

    def freeze(self, sample):
        return Scale(self.factor.freeze(sample))

    def forward(self, x):
        return x * self.factor.default()


class ScaleSampling(BaseSuperNetModule):
    """Its supermodule."""

    def __init__(self, label):
        super().__init__()
        self.label = label
        self.chosen = None

    def resample(self, memo):
        self.chosen = memo[self.label]
        return {self.label: self.chosen}

    def forward(self, x):
        return x * self.chosen


def scale_hook(module, name, memo, mutate_kwargs):
    """Makes the supermodule."""
    if isinstance(module, ScaleChoice):
        return ScaleSampling(module.factor.label)


class Scaling(ModelSpace):
    """Two blocks; the second scales by a factor of two. 12 architectures."""

    def __init__(self, num_classes=4):
        super().__init__()
        self.first = toys._layer('first', 3, 4, 2)
        self.second = toys._layer('second', 4, 8, 2)
        self.scale = ScaleChoice('factor', [0.0, 1.0, 100.0])
        self.classifier = nn.Linear(8, num_classes)

    def forward(self, x):
        return self.classifier(self.scale(self.second(self.first(x))).mean((2, 3)))


# Running

def strategy(work, teacher=toys.Teacher, **changes):
    """DNA with few images."""
    return DNA(teacher, **{'work': work, 'top_k': 2, 'threads': 1, 'rate': {'calibration_images': 16}, **changes})


def experiment(strategy, space=None, evaluator_=None, engine='sequential', model_format='simplified', **options):
    """An experiment of all that; NNI's own folder is beside the work folder."""
    config = NasExperimentConfig(engine, model_format, 'local', **options)
    config.experiment_working_directory = str(Path(strategy.state_dict()['work']).parent / 'nni')
    return NasExperiment(toys.Space() if space is None else space, evaluator() if evaluator_ is None else evaluator_, strategy,
                         config)


def run(experiment):
    """Run it as a script would, to NNI's end of it."""
    try:
        return experiment.run()
    finally:
        experiment.stop()


def keep_apart(monkeypatch, folder):
    """Let NNI, and whatever writes to the working directory, write to a folder that is thrown away."""
    import nni.experiment.experiment
    import nni.nas.experiment.experiment
    from nni.tools.nnictl.config_utils import Experiments
    for module in (nni.experiment.experiment, nni.nas.experiment.experiment):
        monkeypatch.setattr(module, 'Experiments', functools.partial(Experiments, home_dir=str(folder / 'home')))
    monkeypatch.chdir(folder)
