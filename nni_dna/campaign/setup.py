"""From settings to the parts of an experiment, each built once and on demand; and the check of all that can be checked."""

from __future__ import annotations

import logging
from functools import cached_property
from pathlib import Path
from typing import Any, Mapping

import torch
from nni.nas.nn.pytorch import ModelSpace

from ..cost import CostTables, cost_tables
from ..data import ImageData
from ..errors import NniDnaError, TeacherError
from ..retrain import recipe_from
from ..settings import Settings
from ..spaces import Chain, build_space, read_chain, restrict
from ..supernet import match_stages
from ..teacher import StagedTeacher, build_network, check_classifier, ready_teacher
from .ranking import check_limits

__all__ = ['Setup']

_logger = logging.getLogger(__name__)


class Setup:
    """The parts of an experiment.

    Parameters
    ----------
    settings
        All settings.
    definition
        NNI's search space, which restricts the model space.
    """

    def __init__(self, settings: Settings, definition: Mapping[str, Any]):
        self.settings = settings
        self.definition = definition

    @cached_property
    def data(self) -> ImageData:
        """The images."""
        return ImageData(self.settings.data, self.settings.seed)

    @cached_property
    def meta_space(self) -> ModelSpace:
        """The model space without memory for its weights: to count, and to freeze architectures from."""
        return self.build_space('meta')

    def build_space(self, device: str = 'cpu') -> ModelSpace:
        """The model space with fresh random weights."""
        num_classes = self.data.task.num_classes  # loads the data, which must not happen on the meta device
        with torch.device(device):
            return build_space(self.settings.space.name, self.settings.space.args, num_classes)

    @cached_property
    def chain(self) -> Chain:
        """The blocks of the space, restricted by NNI's search space."""
        return restrict(read_chain(self.meta_space), self.definition)

    @cached_property
    def costs(self) -> CostTables:
        """The cost of every path, and the shapes at the blocks' borders."""
        return cost_tables(self.meta_space, self.chain, self.data.image_shape)

    @cached_property
    def teacher_shapes(self) -> list[tuple[int, ...]]:
        """(channels, height, width) of the teacher's feature map after each stage."""
        network = build_network(self.settings.teacher, self.data.task.num_classes)
        teacher = StagedTeacher(network, self.settings.teacher.stages)
        try:
            maps = teacher(torch.zeros(1, *self.data.image_shape))
        except NniDnaError:
            raise
        except Exception as error:
            raise TeacherError(f'teacher.name: {self.settings.teacher.name!r} cannot run on images of shape '
                               f'{self.data.image_shape}: {type(error).__name__}: {error}; raise data.image_size, or take '
                               'another teacher') from error
        return [tuple(y.shape[1:]) for y in maps]

    def teacher(self, trained: Path | None) -> StagedTeacher:
        """The teacher with its weights, cut into stages."""
        return StagedTeacher(ready_teacher(self.settings.teacher, self.data.task.num_classes, trained),
                             self.settings.teacher.stages)

    def check(self) -> None:
        """Check all that can be checked before the first trial.

        Raises
        ------
        NniDnaError
            One error that names the option and the remedy. That ``top_k`` is more than the limits allow is only warned of.
        """
        recipe_from(self.settings.retrain)
        match_stages(self.chain, self.costs.output_shapes, self.settings.teacher.stages, self.teacher_shapes)
        if self.settings.teacher.weights == 'train':
            classes = self.data.task.num_classes
            check_classifier(build_network(self.settings.teacher, classes), classes, self.data.image_shape)
        else:
            self.teacher(None)
        possible, wanted = check_limits(self.chain, self.costs, self.settings.search), self.settings.search.top_k
        if possible < wanted:
            _logger.warning('search.top_k: %d architectures were asked for, but only %d keep the limits; these are used', wanted,
                            possible)
