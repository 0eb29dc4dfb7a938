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
        # One without running statistics uses those of the batch at hand; there is nothing to keep.
        self._norms = [[part for part in step.modules() if isinstance(part, _BatchNorm) and part.track_running_stats]
                       for step in supernet.steps]
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
        self._supernet.eval()  # no dropout: it would blur the statistics
        norms = [norm for step in self._norms for norm in step]
        momenta = [_set_momentum(norm.train(), 1.0) for norm in norms]  # the statistics become those of the images at hand
        try:
            for _ in self._walk(features, (), self._run_and_keep):
                pass
        finally:
            for norm, momentum in zip(norms, momenta):
                _set_momentum(norm.eval(), momentum)

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
            # A candidate that works in place must not change what the next one gets.
            output = run(step, option, x.clone(), (*prefix, option))
            yield from self._walk(output, (*prefix, option), run)

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


def _set_momentum(norm: _BatchNorm, momentum: float | None) -> float | None:
    """Set a BatchNorm's momentum and return what it was. NNI's MixedBatchNorm2d keeps it among its arguments."""
    arguments = getattr(norm, 'init_arguments', None)
    if arguments is not None:
        before, arguments['momentum'] = arguments['momentum'], momentum
    else:
        before, norm.momentum = norm.momentum, momentum
    return before
