"""Which modules of a teacher can serve as stages: found from one pass, by the resolutions of its feature maps."""

from __future__ import annotations

from typing import Sequence

import torch
from torch import nn

from ..errors import TeacherError
from ..tracing import Passage, run_of, trace

__all__ = ['find_stages']


def find_stages(network: nn.Module, image_shape: Sequence[int]) -> list[str]:
    """Names of the modules that can be stages, in the order in which they run.

    The network is taken apart as long as the parts run one after another and differ in resolution. Of single layers
    (convolution, BatchNorm, activation) only the last of each resolution counts.

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
    root = trace(network, torch.zeros(1, *image_shape))
    passages = [passage for part in run_of(root).passages for passage in _apart(part)]
    maps = [passage for passage in passages if passage.is_map]
    found = []
    for passage, following in zip(maps, [*maps[1:], None]):
        single = not list(passage.module.children())
        if single and following is not None and following.shape[1:] == passage.shape[1:]:
            continue
        if passage.unchanged:  # a stage whose output is changed in place cannot be compared with
            found.append(passage.name)
    if not found:
        raise TeacherError(f'teacher.stages: no modules of {type(network).__name__} that run one after another give feature maps '
                           '(batch, channels, height, width); name the stages, or take another teacher')
    return found


def _apart(passage: Passage) -> list[Passage]:
    run = run_of(passage)
    if not run.whole or len({inner.shape[1:] for inner in run.passages if inner.is_map}) < 2:
        return [passage]
    return [piece for inner in run.passages for piece in _apart(inner)]
