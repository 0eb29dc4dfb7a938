"""An experiment as its YAML file describes it: images, model space and recipes by name."""

from __future__ import annotations

import dataclasses
from functools import cached_property
from pathlib import Path
from typing import Any, Callable, Mapping

import pytorch_lightning as pl
import torch
from torch import nn
from nni.nas.nn.pytorch import ModelSpace

from ..data import ImageData
from ..lightning import make_trainer
from ..retrain import (Recipe, accuracies, accuracy, check_dropping, process_count, recipe_from, train_classifier,
                       training_batches)
from ..settings import Settings, read_settings, to_plain
from ..spaces import build_space
from .setup import Setup

__all__ = ['ConfigSetup']


class ConfigSetup(Setup):
    """The parts of an experiment, from its settings alone.

    Parameters
    ----------
    settings
        All settings.
    definition
        NNI's search space, which restricts the model space.
    """

    settings: Settings

    def __init__(self, settings: Settings, definition: Mapping[str, Any]):
        super().__init__(settings, definition)

    @staticmethod
    def from_record(record: Mapping[str, Any], work: Path) -> ConfigSetup:
        """What `record` gave, read from a work folder."""
        return ConfigSetup(read_settings({**record['settings'], 'work': str(work)}, work), record['search_space'])

    def record(self) -> dict[str, Any]:
        return {'settings': to_plain(self.settings), 'search_space': dict(self.definition)}

    @cached_property
    def data(self) -> ImageData:
        """The images."""
        return ImageData(self.settings.data, self.settings.seed)

    @cached_property
    def num_classes(self) -> int:
        with torch.device('cpu'):  # a space may be built on another, where the images must not be
            return self.data.task.num_classes

    def build_space(self) -> ModelSpace:
        return build_space(self.settings.space.name, self.settings.space.args, self.num_classes)

    def make_trainer(self) -> pl.Trainer:
        return make_trainer(self.settings.distill.epochs, precision=self.settings.distill.precision)

    def train_teacher(self, network: nn.Module, report: Callable[[float], None]) -> float:
        """On the images that are not held out; the accuracy is that on those that are."""
        recipe = Recipe(epochs=self.settings.teacher.epochs, lr=self.settings.teacher.lr, weight_decay=1e-2, label_smoothing=0.0)
        train_classifier(network, self.num_classes, recipe, self.data.distillation(), report)
        return accuracy(network, self.num_classes, self.data.holdout())

    @cached_property
    def _recipe(self) -> Recipe:
        return recipe_from(self.settings.retrain)

    def train_winner(self, network: nn.Module, report: Callable[[float], None], checkpoint: Path | None = None) -> None:
        """Train on all training images, in place: what each process does of those that train together."""
        train_classifier(network, self.num_classes, self._recipe, training_batches(self.data, self._recipe), report, checkpoint)

    def retrain(self, network: nn.Module, report: Callable[[float], None],
                checkpoint: Path | None = None) -> tuple[float, dict[str, float]]:
        """On all training images; the accuracies are those on the test images."""
        self.train_winner(network, report, checkpoint)
        found = accuracies(network, self.num_classes, self.data.test())
        return found['top1'], found

    @property
    def processes(self) -> int:
        return process_count(self._recipe.devices)

    @property
    def recipe(self) -> Any:
        return dataclasses.asdict(self._recipe)

    @property
    def over_training(self) -> range:
        distill = self.settings.distill
        return range(distill.rate_every, distill.epochs, distill.rate_every) \
            if self.settings.retrain.over_training and distill.rate_every else range(0)

    def check_recipe(self) -> None:
        check_dropping(self._recipe, self.meta_space)
