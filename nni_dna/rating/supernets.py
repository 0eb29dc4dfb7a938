"""Rate the paths of several supernets, from one pass of the teacher a batch."""

from __future__ import annotations

import logging
import time
from typing import Any, Callable, Iterable, Mapping, Sequence, TypeVar

import torch
from tqdm import tqdm

from ..data.batches import images_of
from ..marks import mark
from ..spaces.chain import Cell
from ..supernet.supernet import BlockSupernet
from .memory import Pieces
from .traverse import PathRater

__all__ = ['rate_supernets', 'Maps']

_logger = logging.getLogger(__name__)
_BAR = '{desc}: {percentage:3.0f}%|{bar}| {elapsed}, {remaining} left'
Maps = tuple[Sequence[torch.Tensor], Sequence[torch.Tensor]]
"""What every block is given, and what it is to imitate; (images, channels, height, width) each."""
Key = TypeVar('Key', bound=tuple[int, int])


@torch.no_grad()
def rate_supernets(supernets: Mapping[Key, BlockSupernet], cells: Mapping[Key, Sequence[Cell]],
                   maps_of: Callable[[torch.Tensor], Maps], calibration: torch.Tensor, holdout: Iterable[Any],
                   device: torch.device, measure: str = 'l1') -> dict[Key, PathRater]:
    """Rate all paths of all supernets. A progress bar shows the time left, on a terminal only.

    Parameters
    ----------
    supernets
        By (block index, index within the block); they stay on the device.
    cells
        The cells of each.
    maps_of
        The maps of a batch of images; may run out of memory, and is then given half as many images.
    calibration
        (images, channels, height, width) From which each path's BatchNorm statistics are taken.
    holdout
        Batches to rate on.
    device
        Where to compute.
    measure
        How far a path is from the teacher; see :class:`nni_dna.rating.RatingSums`.

    Returns
    -------
    dict
        By supernet: a rater from which the ratings can be read.

    Raises
    ------
    OutOfMemoryError
        If memory does not hold one image.
    """
    start, images, remedy = time.perf_counter(), 0, 'run fewer trials at a time, or lower data.image_size'
    paths = sum(cell.paths for own in cells.values() for cell in own)
    with _bar(paths, len(calibration), holdout) as bar:
        raters = {key: PathRater(supernet.to(device), cells[key], measure, lambda done: _advance(bar, done))
                  for key, supernet in supernets.items()}
        pieces = Pieces(remedy)
        given, _ = _maps(pieces, maps_of, calibration, device)
        for (block, _), rater in raters.items():
            rater.calibrate(given[block])
        for batch in holdout:
            given, targets = _maps(pieces, maps_of, images_of(batch), device)
            images += len(given[0])
            for (block, _), rater in raters.items():
                rater.add(given[block], targets[block])
        for rater in raters.values():
            rater.ratings()
    seconds = time.perf_counter() - start
    _logger.info('%s paths rated on %d images in %.1f s: %.1f paths/s', f'{paths:,}', images, seconds, paths / seconds)
    return raters


def _advance(bar: tqdm, done: int) -> None:
    bar.update(done)
    mark()


def _maps(pieces: Pieces, maps_of: Callable[[torch.Tensor], Maps], images: torch.Tensor, device: torch.device) -> Maps:
    """The maps of all images, whether or not the teacher takes them at once."""
    found: list[Maps] = []
    pieces.run(lambda piece: found.append(maps_of(piece.to(device))), images)
    if len(found) == 1:
        return found[0]
    given, targets = ([torch.cat(parts) for parts in zip(*maps)] for maps in zip(*found))
    return given, targets


def _bar(paths: int, calibration: int, holdout: Any) -> tqdm:
    """Counts paths times images; shows nothing where the number of held-out images is not known."""
    try:
        total = paths * (calibration + len(holdout.dataset))
    except (AttributeError, TypeError):
        total = None
    return tqdm(total=total, desc='rating', bar_format=_BAR, disable=None if total else True)
