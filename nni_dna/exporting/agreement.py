"""Whether a file that was written gives what the network gives."""

from __future__ import annotations

from typing import Callable

import torch
from torch import nn

from ..errors import ExportError

__all__ = ['BATCHES', 'TOLERANCE', 'largest_difference']

BATCHES = (1, 3)
"""Batch sizes for which it is checked; the network is exported from another one."""

TOLERANCE = 1e-4
"""Largest difference allowed, as a share of the largest output: float32 added up in another order differs by about 1e-6."""


@torch.no_grad()
def largest_difference(network: nn.Module, written: Callable[[torch.Tensor], torch.Tensor],
                       image_shape: tuple[int, int, int]) -> float:
    """Run both on the same random images.

    Parameters
    ----------
    network
        In evaluation mode, on the CPU.
    written
        Runs what was written.
    image_shape
        (channels, height, width).

    Returns
    -------
    float
        The largest absolute difference of an output.

    Raises
    ------
    ExportError
        If it is more than ``TOLERANCE`` times the largest output, or the outputs are of different shapes.
    """
    generator = torch.Generator().manual_seed(0)
    largest = 0.0
    for batch in BATCHES:
        images = torch.randn(batch, *image_shape, generator=generator)
        expected, got = network(images), written(images)
        if got.shape != expected.shape:
            raise ExportError(f'what was exported gives outputs of shape {tuple(got.shape)} for {batch} images, the network '
                              f'{tuple(expected.shape)}; its forward may depend on the batch size, which is not written: use '
                              'operations on tensors only')
        difference = (got - expected).abs().max().item()
        allowed = TOLERANCE * expected.abs().max().item()
        if not difference <= allowed:
            raise ExportError(f'what was exported differs from the network by up to {difference:.2g} for {batch} images, more '
                              f'than {allowed:.2g}; its forward may do what cannot be written (branches on values, randomness): '
                              'use operations on tensors only')
        largest = max(largest, difference)
    return largest
