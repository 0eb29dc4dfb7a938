"""The parts of an experiment, each built once and on demand; and the check of all that can be checked.

Where images, model space and training recipes come from differs between the two faces; all that follows from them is here.
"""

from __future__ import annotations

import dataclasses
import logging
from abc import ABC, abstractmethod
from functools import cached_property
from pathlib import Path
from typing import Any, Callable, ContextManager, Iterator, Mapping, Protocol, Sequence

import pytorch_lightning as pl
import torch
from torch import nn
from nni.nas.nn.pytorch import ModelSpace

from ..cost import CostTables, FurtherCosts, Shapes, border_shapes, cost_tables, latency_costs, memory_costs
from ..cost.latency import Latencies
from ..cost.parts import NetworkParts
from ..errors import SpaceError
from ..settings import CommonSettings
from ..spaces import Chain, without_memory
from ..supernet import BlockSupernet, DNAMutator, Matching, block_supernet, check_channels_last, match, match_stages
from ..teacher import StagedTeacher, build_network, check_classifier, ready_teacher
from ..weights import load_weights
from .latency import find_latencies
from .ranking import check_limits

__all__ = ['Images', 'Setup']

_logger = logging.getLogger(__name__)


class Images(Protocol):
    """The batches of images that distillation and rating take; each loader gives images, or images with labels."""

    @property
    def image_shape(self) -> tuple[int, int, int]:
        """(channels, height, width)."""

    def distillation(self) -> Any:
        """Training images, shuffled."""

    def calibration(self) -> Any:
        """Training images for the statistics of BatchNorm."""

    def holdout(self) -> Any:
        """Images that no supernet was trained on."""

    def undisturbed(self) -> ContextManager[Images]:
        """The same images, to be read while a training goes on: what it reads afterwards does not change."""


class Setup(ABC):
    """The parts of an experiment.

    Parameters
    ----------
    settings
        What both faces have in common.
    definition
        NNI's search space, which restricts the model space.
    """

    def __init__(self, settings: CommonSettings, definition: Mapping[str, Any]):
        self.settings = settings
        self.definition = definition

    # What a face provides

    @property
    @abstractmethod
    def data(self) -> Images:
        """The images."""

    @property
    @abstractmethod
    def num_classes(self) -> int:
        """Number of outputs of the networks."""

    @abstractmethod
    def build_space(self) -> ModelSpace:
        """The model space with fresh random weights, on PyTorch's default device."""

    @abstractmethod
    def make_trainer(self) -> pl.Trainer:
        """The trainer of the distillation."""

    @abstractmethod
    def train_teacher(self, network: nn.Module, report: Callable[[float], None]) -> float:
        """Train the teacher on the task in place; returns its quality (larger is better)."""

    @abstractmethod
    def retrain(self, network: nn.Module, report: Callable[[float], None],
                checkpoint: Path | None = None) -> tuple[float, dict[str, float]]:
        """Train a winner in place; returns its final metric, and what else there is to say of it as JSON-able data.

        Parameters
        ----------
        network
            The winner, with fresh weights.
        report
            Takes intermediate results.
        checkpoint
            File that an interrupted training may go on from, where the face can do that.
        """

    @property
    def processes(self) -> int:
        """How many processes of ours retrain a winner together."""
        return 1

    @property
    @abstractmethod
    def recipe(self) -> Any:
        """What the retraining depends on, as JSON-able data."""

    @abstractmethod
    def record(self) -> dict[str, Any]:
        """The experiment as JSON-able data: what its work folder belongs to."""

    @property
    def over_training(self) -> Sequence[int]:
        """The epochs of the distillation of which the best architectures are retrained too."""
        return ()

    def check_recipe(self) -> None:
        """See that the retraining can be done."""

    @property
    def mutator(self) -> DNAMutator:
        """What makes supernets."""
        return DNAMutator()

    # What follows from it

    @cached_property
    def meta_space(self) -> ModelSpace:
        """The model space without memory for its weights: to count, and to freeze architectures from."""
        return without_memory(self.build_space)

    @cached_property
    def _network(self) -> nn.Module:
        """The teacher's network: with random weights where it is to be trained, else with those given."""
        if self.settings.teacher.weights == 'train':
            return build_network(self.settings.teacher, self.num_classes)
        return ready_teacher(self.settings.teacher, self.num_classes)

    @cached_property
    def matching(self) -> Matching:
        """The blocks of the space, restricted by NNI's search space, and their teacher stages."""
        return match(self.meta_space, self._network, self.data.image_shape, stages=self.settings.teacher.stages,
                     ends=self.settings.blocks, definition=self.definition, max_paths=self.settings.rate.max_paths,
                     seed=self.settings.seed)

    @property
    def chain(self) -> Chain:
        """The blocks of the space."""
        return self.matching.chain

    @cached_property
    def shapes(self) -> Shapes:
        """The shapes at the blocks' borders."""
        return border_shapes(self.meta_space, self.chain, self.data.image_shape)

    @cached_property
    def costs(self) -> CostTables:
        """The cost of every path."""
        tables = cost_tables(self.meta_space, self.chain, self.data.image_shape, self.shapes)
        return dataclasses.replace(tables, further=tuple(self._further_costs()))

    def _further_costs(self) -> Iterator[FurtherCosts]:
        if self.settings.search.max_memory is not None:
            yield memory_costs(self.parts)
        if self.latencies is not None:
            yield latency_costs(self.parts, self.latencies.milliseconds)

    @cached_property
    def parts(self) -> NetworkParts:
        """The parts of the space's networks, for limits on memory and latency."""
        return NetworkParts(self.meta_space, self.chain, self.data.image_shape, self.shapes)

    @cached_property
    def latencies(self) -> Latencies | None:
        """The parts' latencies, measured if they are not known; None where no limit asks for them."""
        return find_latencies(self.settings, self.parts) if self.settings.search.max_latency_ms is not None else None

    def untrained_teacher(self) -> nn.Module:
        """The teacher's network, to be trained."""
        return self._network.requires_grad_(True)  # cut into stages, it does not learn

    def teacher(self, trained: Path | None) -> StagedTeacher:
        """The teacher with its weights, cut into stages.

        Parameters
        ----------
        trained
            The weights that the first phase trained, where ``teacher.weights`` is ``train``.
        """
        stages = self.matching.stages
        if trained is not None:
            load_weights(self._network, trained, 'teacher')
        return StagedTeacher(self._network, stages, self.settings.teacher.batch_norm)

    def supernet(self, space: ModelSpace, block: int, name: str) -> BlockSupernet:
        """A supernet of a block.

        Parameters
        ----------
        space
            The model space whose weights it takes.
        block
            Index of the block.
        name
            Of the supernet, within the block.
        """
        return block_supernet(self.mutator, space, self.chain, block, name, self.shapes.inputs, self.shapes.outputs,
                              self.matching.teacher_shapes)

    def _check_supernets(self) -> None:
        """See that supernets can be made: a module of the user's own may need a hook."""
        for index, _, _, name in self.chain.supernets():
            try:
                with torch.device('meta'):
                    self.supernet(self.meta_space, index, name)
            except SpaceError:
                raise
            except Exception:  # some constructors and hooks compute with tensors, which the meta device cannot
                self.supernet(self.build_space(), index, name)
        if self.settings.distill.channels_last:
            space, inputs = self.build_space(), [self.data.image_shape, *self.matching.teacher_shapes]
            for index, _, _, name in self.chain.supernets():
                check_channels_last(self.supernet(space, index, name), inputs[index])

    def check(self) -> None:
        """Check all that can be checked before the first trial.

        Raises
        ------
        NniDnaError
            One error that names the option and the remedy. That ``top_k`` is more than the limits allow, and that not all
            paths are rated, is only warned of.
        """
        self.check_recipe()
        match_stages(self.chain, self.shapes.outputs, self.matching.stages, self.matching.teacher_shapes)
        self._check_supernets()
        self.teacher(None)
        if self.settings.teacher.weights == 'train':
            check_classifier(self._network, self.num_classes, self.data.image_shape)
        for block in self.chain.blocks:
            if block.paths < block.all_paths:
                _logger.warning('%s: %s of its %s paths are rated, chosen at random (rate.max_paths); teacher stages of the same '
                                'size, or fewer values in the search space, would let all be rated', block.name,
                                f'{block.paths:,}', f'{block.all_paths:,}')
        possible, wanted = check_limits(self.chain, self.costs, self.settings.search), self.settings.search.top_k
        if possible < wanted:
            _logger.warning('search.top_k: %d architectures were asked for, but only %d keep the limits; these are used', wanted,
                            possible)
