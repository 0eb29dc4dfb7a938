"""Which modules of a teacher can serve as stages: found from one pass, by the resolutions of its feature maps."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Sequence

import torch
from torch import nn

from ..errors import TeacherError
from ..tracing import Passage, run_of, trace
from .layout import map_shape

__all__ = ['find_stages', 'find_stages_and_parts']


@dataclass(frozen=True)
class _Part:
    """A module that gives a feature map of a shape (channels, height, width)."""

    passage: Passage
    shape: tuple[int, ...]

    @property
    def size(self) -> tuple[int, ...]:
        return self.shape[1:]


def find_stages(network: nn.Module, image_shape: Sequence[int]) -> list[str]:
    """Names of the modules that can be stages, in the order in which they run.

    The network is taken apart as long as the parts run one after another and differ in resolution. Of single layers
    (convolution, BatchNorm, activation) only the last of each resolution counts. What works pixel by pixel on a stage's feature
    map is no stage of its own: the 1x1 convolution before the pooling, which widens the map for the classifier, for example.

    Parameters
    ----------
    network
        The teacher.
    image_shape
        (channels, height, width).

    Raises
    ------
    TeacherError
        If no module that runs in a chain gives feature maps.
    """
    return find_stages_and_parts(network, image_shape)[0]


def find_stages_and_parts(network: nn.Module, image_shape: Sequence[int]) -> tuple[list[str], list[str]]:
    """What `find_stages` gives, and the same with the parts of each stage that give feature maps of its shape.

    Such parts are the residual blocks of a ResNet's layer, for example; the last goes by the name of the stage.
    """
    passages = run_of(trace(network, torch.zeros(1, *image_shape))).passages
    stages, finer = (_stages_among([part for passage in passages for part in _apart(passage, image_shape[1:], fine)])
                     for fine in (False, True))
    if not stages:
        raise TeacherError(f'teacher.stages: no modules of {type(network).__name__} that run one after another give feature maps '
                           '(batch, channels, height, width); name the stages, or take another teacher')
    return stages, finer


def _stages_among(parts: Sequence[_Part]) -> list[str]:
    found = []
    whole = False  # whether more than single pixels is looked at since the last stage
    for before, part, following in zip([None, *parts[:-1]], parts, [*parts[1:], None]):
        continues = before is not None and (_is_layer(before.passage) or not before.passage.unchanged)
        whole = before is None or before.size != part.size or not _is_pixelwise(part.passage) or (whole and continues)
        if _is_layer(part.passage) and following is not None and following.size == part.size:
            continue
        if whole and part.passage.unchanged:  # a stage whose output is changed in place cannot be compared with
            found.append(part.passage.name)
    return found


def _apart(passage: Passage, image_size: Sequence[int], finer: bool) -> list[_Part]:
    """The parts of a module that give feature maps."""
    run = run_of(passage)
    inner = [(other, map_shape(other.output, image_size)) for other in run.passages]
    pieces = [piece for other, _ in inner for piece in _apart(other, image_size, finer)] if run.whole else []
    if len({shape[1:] for _, shape in inner if shape is not None}) > 1 and run.whole:
        return pieces
    shape = map_shape(passage.output, image_size)
    if shape is None:
        return []
    same = [piece for piece in pieces if piece.shape == shape] if finer else []
    return [*same[:-1], _Part(passage, shape)]


def _is_layer(passage: Passage) -> bool:
    """Whether it is a single layer, or merges patches by one matrix as a Swin transformer between its stages."""
    if not list(passage.module.children()):
        return True
    matrices = [parameter for parameter in passage.module.parameters() if parameter.ndim > 1]
    return len(matrices) == 1 and matrices[0].ndim == 2


def _is_pixelwise(passage: Passage) -> bool:
    """Whether each pixel of its output depends on one pixel of its input only, statistics aside."""
    module = passage.module
    if isinstance(module, nn.Conv2d):
        return set(module.kernel_size) == {1}
    if all(parameter.ndim <= 1 for parameter in module.parameters()):
        return not any(hasattr(part, 'kernel_size') for part in module.modules())
    run = run_of(passage)
    return run.whole and all(map(_is_pixelwise, run.passages))
