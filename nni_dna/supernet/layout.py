"""Whether a supernet's layers take feature maps whose channels are next to each other in memory."""

from __future__ import annotations

import torch

from ..errors import SpaceError
from .supernet import BlockSupernet

__all__ = ['check_channels_last']


@torch.no_grad()
def check_channels_last(supernet: BlockSupernet, shape: tuple[int, ...]) -> None:
    """Run every candidate once on such a map.

    Parameters
    ----------
    supernet
        With memory: on the meta device all maps have the usual layout.
    shape
        (channels, height, width) of its input.

    Raises
    ------
    SpaceError
        If a layer asks for another layout, as ``Tensor.view`` does.
    """
    images = torch.zeros(2, *shape).contiguous(memory_format=torch.channels_last)
    supernet.to(memory_format=torch.channels_last)  # type: ignore[call-overload]
    for cell, steps in enumerate(supernet.radix):
        for option in range(max(steps)):
            path = [min(option, options - 1) for options in steps[1:-1]]
            try:
                supernet(images, cell, path)
            except RuntimeError as error:
                if 'view' not in str(error):
                    raise
                raise SpaceError('distill.channels_last: expected layers that take channels_last feature maps, got one that does '
                                 f'not: {error}; leave it out, or use reshape() in the space') from error
