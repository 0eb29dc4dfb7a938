"""Feature maps as (batch, channels, height, width), whatever layout a module gives them in."""

from __future__ import annotations

import math
from typing import Any, Sequence

import torch

__all__ = ['as_map', 'map_shape']

_MOST_TOKENS_BEFORE = 8
"""Class, distillation and register tokens, which stand before those of the image."""


def as_map(output: Any, image_size: Sequence[int]) -> torch.Tensor | None:
    """What a module gave, as a feature map.

    Parameters
    ----------
    output
        A map with its channels first, or last as in a Swin transformer; or tokens (batch, tokens, channels) as in a vision
        transformer, of which those before the image's are dropped.
    image_size
        (height, width) of the images: the map has the same aspect ratio, which tells channels from height and width.

    Returns
    -------
    torch.Tensor or None
        (batch, channels, height, width), contiguous unless it is the output itself; None where it is no feature map.
    """
    if not isinstance(output, torch.Tensor):
        return None
    if output.ndim == 4:
        _, first, second, third = output.shape
        last = _alike((first, second), image_size) and not _alike((second, third), image_size)
        return output.permute(0, 3, 1, 2).contiguous() if last else output
    grid = _grid(output.shape[1], image_size) if output.ndim == 3 else None
    if grid is None:
        return None
    tokens = output[:, output.shape[1] - math.prod(grid):]
    return tokens.transpose(1, 2).reshape(len(output), -1, *grid)


def map_shape(output: Any, image_size: Sequence[int]) -> tuple[int, ...] | None:
    """(channels, height, width) of what `as_map` makes of an output; None where it is no feature map."""
    found = as_map(output.to('meta') if isinstance(output, torch.Tensor) else output, image_size)
    return None if found is None else tuple(found.shape[1:])


def _alike(size: tuple[int, int], image_size: Sequence[int]) -> bool:
    """Whether a map's aspect ratio is the image's, but for rounding."""
    (height, width), (image_height, image_width) = size, image_size
    if image_height == image_width:
        return height == width
    return abs(height * image_width - width * image_height) < image_height + image_width


def _grid(tokens: int, image_size: Sequence[int]) -> tuple[int, int] | None:
    """(height, width) of the largest grid of square patches that so many tokens can be, with few tokens before it."""
    height, width = image_size
    for patch in range(1, math.gcd(height, width) + 1):
        if height % patch == 0 == width % patch:
            grid = height // patch, width // patch
            if 0 <= tokens - math.prod(grid) <= min(_MOST_TOKENS_BEFORE, math.prod(grid) - 1):
                return grid
    return None
