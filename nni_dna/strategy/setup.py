"""An experiment as a NasExperiment gives it: model space, evaluator and loaders as objects."""

from __future__ import annotations

import dataclasses
import json
from functools import cached_property
from pathlib import Path
from typing import Any, Callable, Mapping

import pytorch_lightning as pl
import torch
from nni.nas.nn.pytorch import ModelSpace
from torch import nn

from ..campaign.setup import Setup
from ..errors import SettingsError, SpaceError
from ..settings import differences, to_plain
from ..supernet import DNAMutator
from .evaluation import distillation_trainer, evaluate
from .images import LoaderImages
from .parts import Parts
from .settings import StrategySettings, read_strategy_settings

__all__ = ['StrategySetup']


class StrategySetup(Setup):
    """The parts of an experiment.

    Parameters
    ----------
    settings
        The strategy's.
    definition
        NNI's search space, which restricts the model space.
    parts
        What the user gave the experiment.
    """

    settings: StrategySettings

    def __init__(self, settings: StrategySettings, definition: Mapping[str, Any], parts: Parts):
        super().__init__(settings, definition)
        self._parts = parts

    @staticmethod
    def from_record(record: Mapping[str, Any], work: Path) -> StrategySetup:
        """What `record` gave, read from a work folder: the evaluator and the loaders are made again.

        Raises
        ------
        SettingsError
            If that does not give the same experiment, as where a loader's data set is not traced by NNI.
        """
        known = {field.name for field in dataclasses.fields(StrategySettings)}
        given = {key: value for key, value in record['settings'].items() if key in known}
        setup = StrategySetup(read_strategy_settings({**given, 'work': str(work)}, work), record['search_space'],
                              Parts.from_record(record['settings']))
        lines = differences({**record['settings'], 'work': str(work)},
                            json.loads(json.dumps(setup.record()['settings'], default=str)))
        if lines:
            raise SettingsError(f'the experiment cannot be made again from its record: {"; ".join(lines)}')
        return setup

    def record(self) -> dict[str, Any]:
        return {'settings': {**to_plain(self.settings), **self._parts.record()}, 'search_space': dict(self.definition)}

    @cached_property
    def data(self) -> LoaderImages:
        """The images."""
        return LoaderImages(self._parts)

    @cached_property
    def num_classes(self) -> int:
        """Number of outputs of the space's networks."""
        image = torch.zeros(1, *self.data.image_shape, device='meta')
        try:
            with torch.no_grad():
                output = self.meta_space.eval()(image)
        except Exception as error:  # whatever the user's forward raises
            raise SpaceError(f'the model space cannot run on images of shape {self.data.image_shape}: {type(error).__name__}: '
                             f'{error}; change the images\' size, or the strides of the space') from error
        if not isinstance(output, torch.Tensor) or output.ndim != 2:
            got = tuple(output.shape) if isinstance(output, torch.Tensor) else type(output).__name__
            raise SpaceError(f'model space {type(self.meta_space).__name__}: expected it to give (batch, outputs), got {got}')
        return output.shape[1]

    def build_space(self) -> ModelSpace:
        return self._parts.build_space()

    def make_trainer(self) -> pl.Trainer:
        return distillation_trainer(self._parts.evaluator, self.settings.distill.epochs)

    def check_recipe(self) -> None:
        self.make_trainer()

    def train_teacher(self, network: nn.Module, report: Callable[[float], None]) -> float:
        """As the evaluator trains the student's networks."""
        return evaluate(self._parts.fresh().evaluator, network, report)

    def retrain(self, network: nn.Module, report: Callable[[float], None],
                checkpoint: Path | None = None) -> tuple[float, dict[str, float]]:
        """As the evaluator does it, from the start; the quality is what it reports."""
        return evaluate(self._parts.fresh().evaluator, network, report), {}

    @cached_property
    def recipe(self) -> Any:
        return self._parts.record()['evaluator']

    @property
    def mutator(self) -> DNAMutator:
        return DNAMutator(self._parts.mutation_hooks)
