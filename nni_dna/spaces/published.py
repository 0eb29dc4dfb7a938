"""The architectures that Li et al. (CVPR 2020, figure 6) found, as samples of ``DNASpace``."""

from __future__ import annotations

from ..errors import SpaceError, nearest
from .chain import Architecture

__all__ = ['PUBLISHED', 'published_architecture']

# Per block the width, and kernel and expansion of each layer.
_LAYERS: dict[str, list[tuple[int, str]]] = {
    'dna-a': [(24, '53 33 36'), (40, '33 33 53 36'), (80, '76 33 53 36'), (96, '56 53 53 56'), (160, '56 53 53 53 56'),
              (320, '36')],
    'dna-b': [(24, '33 53 76'), (40, '76 53 76'), (80, '56 53 53 36'), (96, '56 53 53 56'), (192, '76 53 53 53 76'),
              (320, '36')],
    'dna-c': [(24, '56 36'), (40, '56 56 36 56'), (80, '56 36 56 56'), (112, '36 56 56 53'), (192, '56 53 56 56'),
              (320, '36')],
    'dna-d': [(24, '76 56 76'), (40, '76 76 76 76'), (80, '76 56 56 76'), (112, '76 56 76 56'), (192, '76 56 56 56 76'),
              (320, '36')],
}

PUBLISHED = tuple(_LAYERS)
"""Their names."""


def published_architecture(name: str) -> Architecture:
    """A published architecture as a sample of the space ``dna``.

    Parameters
    ----------
    name
        One of ``PUBLISHED``.

    Raises
    ------
    SpaceError
        If there is none of this name.
    """
    if name not in _LAYERS:
        raise SpaceError(f'--architecture: expected one of {", ".join(PUBLISHED)}, got {name!r}; {nearest(name, PUBLISHED)}')
    sample: Architecture = {}
    for number, (width, layers) in enumerate(_LAYERS[name], start=1):
        operations = layers.split()
        cell = f'{len(operations)}x{width}'
        if number < len(_LAYERS[name]):  # the last block has one cell, and so no choice of it
            sample[f'block{number}/cell'] = cell
        for layer, operation in enumerate(operations, start=1):
            sample[f'block{number}/{cell}/layer{layer}'] = f'k{operation[0]}e{operation[1]}'
    return sample
