"""Rate every path of a supernet, depth first: the output of a shared prefix is computed once.

A path's BatchNorm statistics in the supernet are mixed, so each path is rated with statistics of its own. They depend on the
prefix only: a first traversal over calibration images keeps those of every prefix, and further ones rate the held-out images
with them.
"""

from __future__ import annotations

import copy
from itertools import groupby
from typing import Callable, Iterator, Sequence, TypeVar

import torch
from torch import nn
from torch.nn.modules.batchnorm import _BatchNorm

from ..spaces.chain import Cell
from ..supernet.supernet import BlockSupernet
from .loss import RatingSums, TargetSpread
from .memory import Pieces, halved, shortage
from .statistics import Statistics, norms_of, own_statistics, take, use

__all__ = ['PathRater']

# Bytes of the largest feature map within a layer. More images at a time are no faster: on a CPU they leave the cache, and beyond
# 32 MiB glibc maps and zeroes every tensor anew, which takes longer than the convolutions; on a GPU kernels then take far longer
# than their launch.
_AT_ONCE = {'cpu': 2 ** 24}
_AT_ONCE_ELSEWHERE = 2 ** 28
_REMEDY = 'run fewer trials at a time, or lower data.image_size'
T = TypeVar('T')


class PathRater:
    """Rates all paths of a supernet's cells: calibrate once, add the held-out batches, read the ratings.

    The batches that come in are cut or joined to such a size that the feature maps within a layer are neither too small nor too
    large for the device, and cut in half where they do not fit its memory; the ratings are the same but for rounding.

    Parameters
    ----------
    supernet
        A trained supernet; its BatchNorm buffers are overwritten.
    cells
        Its cells, in its order.
    measure
        How far a path is from the teacher; see `RatingSums`.
    progress
        Called for each path with the number of images on which it has just been calibrated or rated.
    """

    def __init__(self, supernet: BlockSupernet, cells: Sequence[Cell], measure: str = 'l1',
                 progress: Callable[[int], object] = lambda images: None):
        self._supernet = supernet
        self._cells = [_CellRater(supernet, index, cell, measure, progress) for index, cell in enumerate(cells)]
        self._spread = TargetSpread()
        self._pieces = Pieces(_REMEDY)
        self._waiting: list[tuple[torch.Tensor, torch.Tensor]] = []

    @torch.no_grad()
    def calibrate(self, features: torch.Tensor) -> None:
        """Keep the BatchNorm statistics of every prefix.

        Parameters
        ----------
        features
            The block's input for some training images (images, channels, height, width).

        Raises
        ------
        OutOfMemoryError
            If memory does not hold the feature maps of one image within a layer, and of all images between the layers.
        """
        self._supernet.eval()  # no dropout: it would blur the statistics
        largest = 1  # bytes of one image's feature map

        def note(module: nn.Module, inputs: tuple, output: object) -> None:
            nonlocal largest
            if isinstance(output, torch.Tensor) and output.ndim > 1 and len(output):
                largest = max(largest, output[0].numel() * output.element_size())

        size = len(features)
        handles = [module.register_forward_hook(note) for module in self._supernet.modules()]
        try:
            while (said := shortage(lambda: self._calibrate(features.split(size)))) is not None:
                size = halved(size, said, f'{_REMEDY}, or rate.calibration_images')
        finally:
            for handle in handles:
                handle.remove()
        self._pieces.size = max(1, _AT_ONCE.get(features.device.type, _AT_ONCE_ELSEWHERE) // largest)

    def _calibrate(self, pieces: Sequence[torch.Tensor]) -> None:
        for cell in self._cells:
            cell.calibrate(list(pieces))

    @torch.no_grad()
    def add(self, features: torch.Tensor, target: torch.Tensor) -> None:
        """Take in a batch of held-out images, now or together with the next ones.

        Parameters
        ----------
        features
            The block's input (batch, channels, height, width); must stay as it is until the ratings are read.
        target
            The teacher's feature map after the block, likewise.

        Raises
        ------
        OutOfMemoryError
            If memory does not hold one image.
        """
        self._waiting.append((features, target))
        count, size = sum(len(waiting) for waiting, _ in self._waiting), self._pieces.size
        assert size is not None, 'calibrate first'
        if count >= size:
            self._rate_waiting(count // size * size)

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

    @torch.no_grad()
    def ratings(self) -> list[torch.Tensor]:
        """Per cell (paths,) float64 in its order of paths, on the CPU; smaller is better."""
        if self._waiting:
            self._rate_waiting(sum(len(waiting) for waiting, _ in self._waiting))
        return [cell.sums.ratings(self._spread) for cell in self._cells]

    def _rate_waiting(self, count: int) -> None:
        """Rate the first of the images that wait."""
        features, target = (torch.cat(parts) if len(parts) > 1 else parts[0] for parts in zip(*self._waiting))
        self._waiting = [(features[count:], target[count:])] if count < len(features) else []
        self._supernet.eval()
        with own_statistics(norms_of(self._supernet)):
            self._pieces.run(self._rate, features[:count], target[:count])

    def _rate(self, features: torch.Tensor, target: torch.Tensor) -> None:
        """Rate all or, where memory does not hold it, nothing."""
        spread, sums = copy.copy(self._spread), [copy.deepcopy(cell.sums) for cell in self._cells]
        try:
            self._spread.add(target)
            for cell in self._cells:
                cell.add(features, target)
        except BaseException:
            self._spread = spread
            for cell, before in zip(self._cells, sums):
                cell.sums = before
            raise


class _CellRater:
    """The traversal of one cell's paths."""

    def __init__(self, supernet: BlockSupernet, index: int, cell: Cell, measure: str, progress: Callable[[int], object]):
        self._supernet = supernet
        self._index = index
        self._progress = progress
        self._paths = [(0, *cell.digits(path), 0) for path in range(cell.paths)]  # ascending, so prefixes are neighbours
        self._norms: dict[tuple[int, int], list[_BatchNorm]] = {}  # by (step, option) those that run
        self._statistics: dict[tuple[int, ...], Statistics] = {}
        self._in_place: set[tuple[int, int]] = set()  # (step, option) that changes its input
        self.sums = RatingSums(cell.paths, measure)

    def calibrate(self, pieces: list[torch.Tensor]) -> None:
        for outputs in self._walk(pieces, (), self._paths, self._run_and_keep):
            self._progress(sum(map(len, outputs)))

    def add(self, features: torch.Tensor, target: torch.Tensor) -> None:
        for path, output in enumerate(self._walk(features, (), self._paths, self._run_with_kept)):
            self.sums.add(path, output, target)
            self._progress(len(features))

    def settle(self, path: tuple[int, ...]) -> None:
        for length in range(1, len(path) + 1):
            for norm, mean, variance in self._statistics[path[:length]]:
                norm.running_mean.copy_(mean)  # type: ignore[union-attr]
                norm.running_var.copy_(variance)  # type: ignore[union-attr]

    def _walk(self, x: T, prefix: tuple[int, ...], paths: Sequence[tuple[int, ...]],
              run: Callable[[T, tuple[int, ...]], T]) -> Iterator[T]:
        """The outputs of the paths that begin with a prefix, in the order of their numbers."""
        step = len(prefix)
        if step == len(self._supernet.steps[self._index]):
            yield x
            return
        for option, inside in groupby(paths, key=lambda path: path[step]):
            longer = (*prefix, option)
            yield from self._walk(run(x, longer), longer, list(inside), run)  # not kept here: one feature map a layer lives

    def _run_and_keep(self, pieces: list[torch.Tensor], prefix: tuple[int, ...]) -> list[torch.Tensor]:
        step, option = len(prefix) - 1, prefix[-1]

        def run(x: torch.Tensor) -> torch.Tensor:
            given = x.clone()  # a candidate that works in place must not change what the next one gets
            version = given._version
            try:
                return self._supernet.run_step(self._index, step, option, given)
            finally:
                if given._version != version:
                    self._in_place.add((step, option))

        norms = self._norms.get((step, option)) or norms_of(self._supernet.steps[self._index][step])
        outputs, self._statistics[prefix] = take(run, norms, pieces)
        self._norms[step, option] = [norm for norm, *_ in self._statistics[prefix]]
        return outputs

    def _run_with_kept(self, x: torch.Tensor, prefix: tuple[int, ...]) -> torch.Tensor:
        step, option = len(prefix) - 1, prefix[-1]
        use(self._statistics[prefix])
        return self._supernet.run_step(self._index, step, option, x.clone() if (step, option) in self._in_place else x)
