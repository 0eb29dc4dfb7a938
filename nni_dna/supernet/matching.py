"""Match a model space with a teacher: where the space is cut, and which stage supervises each block."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Mapping, Sequence

import torch
from nni.nas.nn.pytorch import ModelSpace
from torch import nn

from ..errors import NniDnaError, TeacherError
from ..spaces.chain import Chain
from ..spaces.chaining import chain_of
from ..teacher import StagedTeacher
from ..teacher.finding import find_stages_and_parts

__all__ = ['Matching', 'match']


@dataclass(frozen=True, kw_only=True)
class Matching:
    """A chain of blocks with its teacher stages.

    Attributes
    ----------
    chain
        The blocks of the space.
    stages
        Names of the teacher's stages, one per block.
    teacher_shapes
        (channels, height, width) of the teacher's feature map after each of them.
    """

    chain: Chain
    stages: tuple[str, ...]
    teacher_shapes: tuple[tuple[int, ...], ...]


def match(space: ModelSpace, network: nn.Module, image_shape: tuple[int, ...], *, stages: Sequence[str] | None = None,
          ends: Sequence[str] | None = None, definition: Mapping[str, Any] | None = None, max_paths: int = 20_000,
          seed: int = 0) -> Matching:
    """Cut a model space into blocks at the resolutions of a teacher's stages.

    Parameters
    ----------
    space
        The model space, built on the meta device.
    network
        The teacher; its weights do not matter.
    image_shape
        (channels, height, width).
    stages
        Names of the teacher's modules, one per block; None finds them by resolution.
    ends
        Names of the last modules of the blocks; None leaves it to the space, or to the resolutions.
    definition
        An NNI search space that restricts the model space.
    max_paths
        As many paths of a block are rated.
    seed
        Of the choice of paths where there are more.

    Raises
    ------
    SpaceError, TeacherError
        If the space is no chain of blocks, the teacher cannot run, or the two do not fit.
    """
    try:
        names, finer = (list(stages),) * 2 if stages is not None else find_stages_and_parts(network, image_shape)
        maps = StagedTeacher(network, finer)(torch.zeros(1, *image_shape))
    except NniDnaError:
        raise
    except Exception as error:  # whatever the teacher raises
        raise TeacherError(f'teacher.name: {type(network).__name__} cannot run on images of shape {tuple(image_shape)}: '
                           f'{type(error).__name__}: {error}; raise data.image_size, or take another teacher') from error
    shapes = {name: tuple(y.shape[1:]) for name, y in zip(finer, maps)}
    sizes = {name: (y[1], y[2]) for name, y in shapes.items()}
    chain, used = chain_of(space, tuple(image_shape), stages=[(name, sizes[name]) for name in names], finer=list(sizes.items()),
                           chosen_stages=stages is not None, definition=definition, ends=ends, max_paths=max_paths, seed=seed)
    return Matching(chain=chain, stages=used, teacher_shapes=tuple(shapes[stage] for stage in used))
