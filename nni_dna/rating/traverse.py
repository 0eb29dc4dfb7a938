"""Rate every path of a cell, depth first: the output of a shared prefix is computed once.

A path's BatchNorm statistics in the supernet are mixed, so each path is rated with statistics of its own. They depend on the
prefix only: a first traversal in training mode over calibration images keeps those of every prefix, and further ones rate the
held-out batches with them.
"""

from __future__ import annotations

import math
from typing import Callable, Iterator

import torch
from torch import nn
from torch.nn.modules.batchnorm import _BatchNorm

from ..supernet.cell import CellSupernet
from .loss import RatingSums, TargetSpread

__all__ = ['PathRater']

_Statistics = list[tuple[_BatchNorm, torch.Tensor, torch.Tensor]]
_Run = Callable[[int, int, torch.Tensor, tuple[int, ...]], torch.Tensor]


class PathRater:
    """Rates all paths of a cell: calibrate once, add the held-out batches, read the ratings.

    Parameters
    ----------
    supernet
        A trained supernet; its BatchNorm buffers are overwritten.
    """

    def __init__(self, supernet: CellSupernet):
        self._supernet = supernet
        self._norms = [[part for part in step.modules() if isinstance(part, _BatchNorm)] for step in supernet.steps]
        self._statistics: dict[tuple[int, ...], _Statistics] = {}
        self._sums = RatingSums(math.prod(supernet.radix))
        self._spread = TargetSpread()

    @torch.no_grad()
    def calibrate(self, features: torch.Tensor) -> None:
        """Keep the BatchNorm statistics of every prefix.

        Parameters
        ----------
        features
            The block's input for some training images (images, channels, height, width).
        """
        momenta = [(norm, norm.momentum) for norms in self._norms for norm in norms]
        for norm, _ in momenta:
            norm.momentum = 1.0  # the running statistics become those of the batch
        self._supernet.train()
        try:
            for _ in self._walk(features, (), self._run_and_keep):
                pass
        finally:
            for norm, momentum in momenta:
                norm.momentum = momentum
            self._supernet.eval()

    @torch.no_grad()
    def add(self, features: torch.Tensor, target: torch.Tensor) -> None:
        """Take in a batch of held-out images.

        Parameters
        ----------
        features
            The block's input (batch, channels, height, width).
        target
            The teacher's feature map after the block, likewise.
        """
        self._supernet.eval()
        self._spread.add(target)
        for path, output in enumerate(self._walk(features, (), self._run_with_kept)):
            self._sums.add(path, output, target)

    def ratings(self) -> torch.Tensor:
        """(paths,) float64 in the cell's order of paths; smaller is better."""
        return self._sums.ratings(self._spread)

    def _walk(self, x: torch.Tensor, prefix: tuple[int, ...], run: _Run) -> Iterator[torch.Tensor]:
        """The outputs of all paths that begin with a prefix, in the order of their numbers."""
        step = len(prefix)
        if step == len(self._supernet.radix):
            yield x
            return
        for option in range(self._supernet.radix[step]):
            yield from self._walk(run(step, option, x, (*prefix, option)), (*prefix, option), run)

    def _run_and_keep(self, step: int, option: int, x: torch.Tensor, prefix: tuple[int, ...]) -> torch.Tensor:
        ran: list[nn.Module] = []
        handles = [norm.register_forward_hook(lambda module, *_: ran.append(module)) for norm in self._norms[step]]
        try:
            output = self._supernet.run_step(step, option, x)
        finally:
            for handle in handles:
                handle.remove()
        self._statistics[prefix] = [(norm, norm.running_mean.clone(), norm.running_var.clone())  # type: ignore[union-attr]
                                    for norm in self._norms[step] if norm in ran]
        return output

    def _run_with_kept(self, step: int, option: int, x: torch.Tensor, prefix: tuple[int, ...]) -> torch.Tensor:
        for norm, mean, variance in self._statistics[prefix]:
            norm.running_mean.copy_(mean)  # type: ignore[union-attr]
            norm.running_var.copy_(variance)  # type: ignore[union-attr]
        return self._supernet.run_step(step, option, x)
