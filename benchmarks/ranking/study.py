"""One study: a model space, a teacher, images; from the package's own distillation and rating to the ratings of architectures."""

from __future__ import annotations

from functools import cached_property
from pathlib import Path
from typing import Any, Callable, Mapping, Sequence

import numpy as np
from torch import nn

from images import CifarImages
from nni_dna.campaign.campaign import Campaign
from nni_dna.campaign.config import ConfigSetup
from nni_dna.campaign.stored import block_ratings
from nni_dna.lightning import seed_all
from nni_dna.phases.running import run_task
from nni_dna.retrain import Recipe, accuracy, quick, train_classifier
from nni_dna.settings import read_settings
from nni_dna.spaces.freezing import plain_network

__all__ = ['StudySetup', 'make_setup', 'rate_all', 'ratings_of', 'train_alone', 'with_teacher']


class StudySetup(ConfigSetup):
    """The parts of a campaign, with images that are in memory.

    Parameters
    ----------
    settings
        As for `ConfigSetup`.
    images
        Stand for what the ``data`` section describes.
    """

    def __init__(self, settings: Any, images: CifarImages):
        super().__init__(settings, {})
        self._images = images

    @cached_property
    def data(self) -> Any:
        return self._images

    def train_teacher(self, network: nn.Module, report: Callable[[float], None]) -> float:
        recipe = Recipe(epochs=self.settings.teacher.epochs, lr=self.settings.teacher.lr, weight_decay=1e-2, label_smoothing=0.0)
        train_classifier(network, self.num_classes, recipe, self._images.everything(), report)
        return accuracy(network, self.num_classes, self._images.holdout())


def make_setup(images: CifarImages, work: Path, sections: Mapping[str, Any], seed: int = 0) -> StudySetup:
    """The parts of a study.

    Parameters
    ----------
    images
        In memory.
    work
        Work folder; what it has is not done again.
    sections
        ``teacher``, ``space``, ``distill``, ``rate`` as in ``classArgs``.
    seed
        Of everything random.
    """
    data = {'name': 'imagefolder', 'image_size': images.image_shape[-1], 'batch_size': images.batch_size}  # for the record
    raw = {'work': str(work.resolve()), 'seed': seed, 'threads': 1, 'data': data, **sections}
    return StudySetup(read_settings(raw, Path.cwd()), images)


def with_teacher(sections: Mapping[str, Any], weights: Path | None) -> dict[str, Any]:
    """The sections with the teacher's weights, where there are any; without them it is trained first."""
    given = {} if weights is None else {'weights': str(weights.resolve())}
    return {**sections, 'teacher': {**given, **sections['teacher']}}


def rate_all(setup: StudySetup) -> list[np.ndarray]:
    """Train the teacher, if it is to be trained, and all supernets; rate all paths.

    Returns
    -------
    list of numpy.ndarray
        Per block (paths,), smaller is better.
    """
    campaign = Campaign(setup)
    try:
        while (task := campaign.next_task()) is not None and task.phase != 'retrain':
            campaign.started(task, campaign.new_parameter_id())
            campaign.finished(task, run_task(campaign.work, task, lambda value: print(task.id, value, flush=True), lambda: setup))
        return [block_ratings(campaign.work.root, block) for block in setup.chain.blocks]
    finally:
        campaign.close()


def ratings_of(setup: StudySetup, tables: Sequence[np.ndarray], architectures: Sequence[Mapping[str, Any]]) -> np.ndarray:
    """(architectures, blocks) The rating of each block of each architecture; their sum is the architecture's."""
    paths = [setup.chain.paths_of(architecture) for architecture in architectures]
    return np.array([[table[path] for table, path in zip(tables, chosen)] for chosen in paths])


def train_alone(setup: StudySetup, architecture: Mapping[str, Any], images: CifarImages, epochs: int, seed: int) -> float:
    """Train one architecture from scratch, with labels, by the ``quick`` recipe; its accuracy on the test images."""
    seed_all(seed)
    network = plain_network(setup.build_space(), dict(architecture))
    images.seed = seed
    train_classifier(network, setup.num_classes, quick(epochs=epochs), images.distillation(), lambda value: None)
    return accuracy(network, setup.num_classes, images.test())
