"""What ``nni-dna show --architecture NAME`` prints: a published architecture, built and counted."""

from __future__ import annotations

import torch

from .cost import count
from .errors import SettingsError
from .show import short
from .spaces import build_space, without_memory
from .spaces.freezing import freeze
from .spaces.published import published_architecture

__all__ = ['show_architecture']

_MOST_PIXELS = 10_000


def show_architecture(name: str, image_size: int) -> str:
    """An architecture of the paper with its costs.

    Parameters
    ----------
    name
        Such as ``dna-a``.
    image_size
        Height and width of the images, in pixels.

    Raises
    ------
    SpaceError
        If there is none of this name.
    SettingsError
        If no image is so large.
    """
    sample = published_architecture(name)
    if not 1 <= image_size <= _MOST_PIXELS:
        raise SettingsError(f'--image-size: expected a number of pixels from 1 to {_MOST_PIXELS}, got {image_size}; give one')
    space = without_memory(lambda: build_space('dna', {}, num_classes=1000))
    with torch.device('meta'):
        cost = count(freeze(space, sample), (3, image_size, image_size))[0]
    return (f'{name}: {short(sample)}\n{cost.madds / 1e6:.1f} M multiply-adds at {image_size} px (convolutions, '
            f'squeeze-and-excitation and linear layers), {cost.params / 1e6:.2f} M parameters')
