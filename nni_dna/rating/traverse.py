"""Rate every path of a cell, depth first: the output of a shared prefix is computed once.

A path's BatchNorm statistics in the supernet are mixed, so each path is rated with statistics of its own. They depend on the
prefix only: a first traversal in training mode over calibration images keeps those of every prefix, and further ones rate the
held-out batches with them.
"""

from __future__ import annotations

from typing import Callable, Iterable, Iterator

import torch
from torch import nn
from torch.nn.modules.batchnorm import _BatchNorm

from ..supernet.cell import CellSupernet
from .loss import RatingSums, TargetSpread

__all__ = ['rate_paths']

_Statistics = list[tuple[_BatchNorm, torch.Tensor, torch.Tensor]]
_Run = Callable[[int, int, torch.Tensor, tuple[int, ...]], torch.Tensor]


@torch.no_grad()
def rate_paths(supernet: CellSupernet, calibration: torch.Tensor,
               batches: Iterable[tuple[torch.Tensor, torch.Tensor]]) -> torch.Tensor:
    """The rating of every path of a cell.

    Parameters
    ----------
    supernet
        A trained supernet; its BatchNorm buffers are overwritten.
    calibration
        The block's input for some training images (images, channels, height, width).
    batches
        Of held-out images: the block's input and the teacher's output.

    Returns
    -------
    torch.Tensor
        (paths,) float64 in the cell's order of paths; smaller is better.
    """
    traversal = _Traversal(supernet)
    traversal.calibrate(calibration)
    sums = RatingSums(traversal.paths)
    spread = TargetSpread()
    for features, target in batches:
        spread.add(target)
        for path, output in traversal.outputs(features):
            sums.add(path, output, target)
    return sums.ratings(spread)


class _Traversal:
    """Depth-first walks over the prefixes of a cell's paths."""

    def __init__(self, supernet: CellSupernet):
        self.supernet = supernet
        self.paths = 1
        for base in supernet.radix:
            self.paths *= base
        self._norms = [[part for part in step.modules() if isinstance(part, _BatchNorm)] for step in supernet.steps]
        self._statistics: dict[tuple[int, ...], _Statistics] = {}

    def calibrate(self, features: torch.Tensor) -> None:
        """Keep the BatchNorm statistics of every prefix on these images."""
        momenta = [(norm, norm.momentum) for norms in self._norms for norm in norms]
        for norm, _ in momenta:
            norm.momentum = 1.0  # the running statistics become those of the batch
        self.supernet.train()
        try:
            for _ in self._walk(features, (), self._run_and_keep):
                pass
        finally:
            for norm, momentum in momenta:
                norm.momentum = momentum
            self.supernet.eval()

    def outputs(self, features: torch.Tensor) -> Iterator[tuple[int, torch.Tensor]]:
        """(path, feature map) of every path, each with its own statistics."""
        self.supernet.eval()
        return enumerate(self._walk(features, (), self._run_with_kept))

    def _walk(self, x: torch.Tensor, prefix: tuple[int, ...], run: _Run) -> Iterator[torch.Tensor]:
        """The outputs of all paths that begin with a prefix, in the order of their numbers."""
        step = len(prefix)
        if step == len(self.supernet.radix):
            yield x
            return
        for option in range(self.supernet.radix[step]):
            yield from self._walk(run(step, option, x, (*prefix, option)), (*prefix, option), run)

    def _run_and_keep(self, step: int, option: int, x: torch.Tensor, prefix: tuple[int, ...]) -> torch.Tensor:
        ran: list[nn.Module] = []
        handles = [norm.register_forward_hook(lambda module, *_: ran.append(module)) for norm in self._norms[step]]
        try:
            output = self.supernet.run_step(step, option, x)
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
        return self.supernet.run_step(step, option, x)
