"""What is compared on: images, model space, limit, budget and recipe, the same for every strategy."""

import dataclasses
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

import torch
from nni.nas.evaluator.pytorch import DataLoader
from nni_dna.data import ImageData
from nni_dna.lightning import seed_all
from nni_dna.settings.sections import DataSettings
from nni_dna.spaces.freezing import plain_network
from torch import nn
from torch.utils.data import DataLoader as TorchLoader, Dataset, TensorDataset

from one_shot import madds_profiler
from space import CompareSpace

HERE = Path(__file__).resolve().parent


@dataclass(frozen=True, kw_only=True)
class Task:
    """The settings of a comparison; a record holds them all.

    Attributes
    ----------
    data
        Of nni_dna's section ``data``: images (``root`` is relative to this folder), batch size, how many are held out.
    widths, depth
        Of the model space.
    max_madds
        Most multiply-adds of a network for one image.
    budget
        How many times as many images as there are to train on a search may see in its training steps.
    short_epochs
        Of each training of a strategy that trains one architecture after another.
    candidates
        How many paths of RandomOneShot's supernet are rated.
    teacher
        Arguments of the teacher's constructor.
    teacher_epochs
        Of the teacher's training; what is left of the budget is the distillation's.
    recipe
        Of the final training: fields of nni_dna's recipe ``quick``.
    """

    data: dict[str, Any]
    widths: tuple[int, ...]
    depth: int
    max_madds: int
    budget: int
    short_epochs: int
    candidates: int
    teacher: dict[str, Any]
    teacher_epochs: int
    recipe: dict[str, Any]


TASKS = {
    'digits': Task(
        data={'name': 'digits', 'image_size': 32, 'batch_size': 64, 'holdout_per_class': 25, 'augment': 'none'},
        widths=(8, 12, 16, 24), depth=3, max_madds=500_000, budget=24, short_epochs=3, candidates=60,
        teacher={'widths': (16, 24, 32, 48, 48, 64)}, teacher_epochs=6, recipe={'epochs': 12}),
    'cifar10': Task(
        data={'name': 'imagefolder', 'root': 'data', 'image_size': 32, 'batch_size': 128, 'holdout_per_class': 500,
              'augment': 'crop_flip', 'mean': (0.491, 0.482, 0.447), 'std': (0.247, 0.243, 0.262), 'workers': 8},
        widths=(32, 64, 128), depth=4, max_madds=20_000_000, budget=100, short_epochs=10, candidates=500,
        teacher={'widths': (64, 128, 256, 256, 256, 256)}, teacher_epochs=30, recipe={'epochs': 60}),
    # For two CPU cores and an hour and a half: 8,000 training images, all test images.
    'cifar10_short': Task(
        data={'name': 'part.first_images', 'root': 'data', 'args': {'per_class': 800}, 'image_size': 32, 'batch_size': 64,
              'holdout_per_class': 100, 'augment': 'crop_flip', 'mean': (0.491, 0.482, 0.447), 'std': (0.247, 0.243, 0.262)},
        widths=(16, 32, 64), depth=3, max_madds=3_000_000, budget=12, short_epochs=2, candidates=60,
        teacher={'widths': (32, 64, 64, 96, 96, 96)}, teacher_epochs=3, recipe={'epochs': 8}),
}


class SeededTask:
    """A task with a seed: everything that a search gets, and the final training.

    Parameters
    ----------
    task
        The settings.
    seed
        Of the images that are held out, the weights, and the search.
    """

    def __init__(self, task: Task, seed: int) -> None:
        self.task = task
        self.seed = seed
        place = {'root': HERE / task.data['root']} if 'root' in task.data else {}
        self.data = ImageData(DataSettings(**{**task.data, **place}), seed)
        self.num_classes = self.data.task.num_classes
        # Nothing random is done to the images: so it is done once.
        fixed = task.data['augment'] == 'none' and not task.data.get('workers')
        self._train = _at_once(self.data.distillation().dataset) if fixed else self.data.distillation().dataset
        self._held = _at_once(self.data.holdout().dataset) if fixed else self.data.holdout().dataset
        self.profiler = madds_profiler(self.space(), torch.zeros(2, *self.data.image_shape))

    def space(self) -> CompareSpace:
        """The model space; a new one, since a strategy may turn it into a supernet."""
        return CompareSpace(self.task.widths, self.task.depth, self.num_classes)

    def train_loader(self) -> DataLoader:
        """The images that searches train on, shuffled."""
        return self._loader(self._train, True)

    def held_loader(self) -> DataLoader:
        """The images that searches choose by. They are not among those above, nor among the test images."""
        return self._loader(self._held, False)

    def test_loader(self) -> TorchLoader:
        """The test images, for the final accuracy alone."""
        return self.data.test()

    @cached_property
    def images(self) -> int:
        """How many there are to train on."""
        return len(self._train)

    @property
    def budget(self) -> int:
        """Images that a search may see in its training steps."""
        return self.task.budget * self.images

    def madds(self, architecture: dict[str, Any]) -> int:
        """Multiply-adds for one image, by NNI's profiler."""
        return int(self.profiler.profile(architecture))

    def network(self, architecture: dict[str, Any]) -> nn.Module:
        """The network of an architecture, with the seed's random weights."""
        seed_all(self.seed)
        return plain_network(self.space(), architecture)

    def settings(self) -> dict[str, Any]:
        """The task as plain values."""
        return dataclasses.asdict(self.task)

    def _loader(self, dataset: Dataset, shuffle: bool) -> DataLoader:
        return DataLoader(dataset, batch_size=self.task.data['batch_size'], shuffle=shuffle,
                          num_workers=self.task.data.get('workers', 0))


def _at_once(dataset: Dataset) -> TensorDataset:
    images, labels = zip(*(dataset[index] for index in range(len(dataset))))
    return TensorDataset(torch.stack(images), torch.tensor(labels))
