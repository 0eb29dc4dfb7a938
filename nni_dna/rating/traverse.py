"""Rate every path of a supernet, depth first: the output of a shared prefix is computed once.

A path's BatchNorm statistics in the supernet are mixed, so each path is rated with statistics of its own. They depend on the
prefix only: a first traversal in training mode over calibration images keeps those of every prefix, and further ones rate the
held-out batches with them.
"""

from __future__ import annotations

from itertools import groupby
from typing import Callable, Iterator, Sequence

import torch
from torch import nn
from torch.nn.modules.batchnorm import _BatchNorm

from ..spaces.chain import Cell
from ..supernet.supernet import BlockSupernet
from .loss import RatingSums, TargetSpread

__all__ = ['PathRater']

_Statistics = list[tuple[_BatchNorm, torch.Tensor, torch.Tensor]]
_Run = Callable[[int, int, torch.Tensor, tuple[int, ...]], torch.Tensor]


class PathRater:
    """Rates all paths of a supernet's cells: calibrate once, add the held-out batches, read the ratings.

    Parameters
    ----------
    supernet
        A trained supernet; its BatchNorm buffers are overwritten.
    cells
        Its cells, in its order.
    measure
        How far a path is from the teacher; see `RatingSums`.
    """

    def __init__(self, supernet: BlockSupernet, cells: Sequence[Cell], measure: str = 'l1'):
        self._supernet = supernet
        self._cells = [_CellRater(supernet, index, cell, measure) for index, cell in enumerate(cells)]
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
        norms = _norms_of(self._supernet)
        momenta = [_set_momentum(norm.train(), 1.0) for norm in norms]  # the statistics become those of the images at hand
        try:
            for cell in self._cells:
                cell.calibrate(features)
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
        for cell in self._cells:
            cell.add(features, target)

    def settle(self, cell: int, path: Sequence[int]) -> None:
        """Leave the supernet as it rates one path: in evaluation mode, its BatchNorm buffers being the statistics of that path.

        Parameters
        ----------
        cell
            Index of the cell among those of the supernet.
        path
            One option per layer.
        """
        self._supernet.eval()
        self._cells[cell].settle((0, *path, 0))

    def ratings(self) -> list[torch.Tensor]:
        """Per cell (paths,) float64 in its order of paths; smaller is better."""
        return [cell.sums.ratings(self._spread) for cell in self._cells]


class _CellRater:
    """The traversal of one cell's paths."""

    def __init__(self, supernet: BlockSupernet, index: int, cell: Cell, measure: str):
        self._supernet = supernet
        self._index = index
        self._paths = [(0, *cell.digits(path), 0) for path in range(cell.paths)]  # ascending, so prefixes are neighbours
        self._norms = [_norms_of(step) for step in supernet.steps[index]]
        self._statistics: dict[tuple[int, ...], _Statistics] = {}
        self.sums = RatingSums(cell.paths, measure)

    def calibrate(self, features: torch.Tensor) -> None:
        for _ in self._walk(features, (), self._paths, self._run_and_keep):
            pass

    def add(self, features: torch.Tensor, target: torch.Tensor) -> None:
        for path, output in enumerate(self._walk(features, (), self._paths, self._run_with_kept)):
            self.sums.add(path, output, target)

    def _walk(self, x: torch.Tensor, prefix: tuple[int, ...], paths: Sequence[tuple[int, ...]],
              run: _Run) -> Iterator[torch.Tensor]:
        """The outputs of the paths that begin with a prefix, in the order of their numbers."""
        step = len(prefix)
        if step == len(self._norms):
            yield x
            return
        for option, inside in groupby(paths, key=lambda path: path[step]):
            # A candidate that works in place must not change what the next one gets.
            output = run(step, option, x.clone(), (*prefix, option))
            yield from self._walk(output, (*prefix, option), list(inside), run)

    def _run_and_keep(self, step: int, option: int, x: torch.Tensor, prefix: tuple[int, ...]) -> torch.Tensor:
        ran: list[nn.Module] = []
        handles = [norm.register_forward_hook(lambda module, *_: ran.append(module)) for norm in self._norms[step]]
        try:
            output = self._supernet.run_step(self._index, step, option, x)
        finally:
            for handle in handles:
                handle.remove()
        self._statistics[prefix] = [(norm, norm.running_mean.clone(), norm.running_var.clone())  # type: ignore[union-attr]
                                    for norm in self._norms[step] if norm in ran]
        return output

    def settle(self, path: tuple[int, ...]) -> None:
        for length in range(1, len(path) + 1):
            self._use_kept(path[:length])

    def _run_with_kept(self, step: int, option: int, x: torch.Tensor, prefix: tuple[int, ...]) -> torch.Tensor:
        self._use_kept(prefix)
        return self._supernet.run_step(self._index, step, option, x)

    def _use_kept(self, prefix: tuple[int, ...]) -> None:
        for norm, mean, variance in self._statistics[prefix]:
            norm.running_mean.copy_(mean)  # type: ignore[union-attr]
            norm.running_var.copy_(variance)  # type: ignore[union-attr]


def _norms_of(module: nn.Module) -> list[_BatchNorm]:
    """The modules with running statistics; a BatchNorm without uses those of the batch at hand."""
    return [part for part in module.modules() if isinstance(part, _BatchNorm) and part.track_running_stats]


def _set_momentum(norm: _BatchNorm, momentum: float | None) -> float | None:
    """Set a BatchNorm's momentum and return what it was. NNI's MixedBatchNorm2d keeps it among its arguments."""
    arguments = getattr(norm, 'init_arguments', None)
    if arguments is not None:
        before, arguments['momentum'] = arguments['momentum'], momentum
    else:
        before, norm.momentum = norm.momentum, momentum
    return before
