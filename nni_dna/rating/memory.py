"""Batches as large as memory holds: what does not fit is tried again in halves."""

from __future__ import annotations

from typing import Callable, Sequence

import torch
from pytorch_lightning.utilities.memory import is_oom_error

from ..errors import OutOfMemoryError

__all__ = ['Pieces', 'fits', 'halved']


def fits(work: Callable[[], object]) -> bool:
    """Do some work; return False where memory does not hold it, on whatever device.

    Parameters
    ----------
    work
        Must leave nothing behind if it fails.
    """
    try:
        work()
        return True
    except (RuntimeError, MemoryError) as error:
        if not (isinstance(error, (MemoryError, torch.cuda.OutOfMemoryError)) or is_oom_error(error)):
            raise
    torch.cuda.empty_cache()  # here, where the error no longer holds the tensors of the calls that it came through
    return False


def halved(images: int, remedy: str) -> int:
    """Half as many images.

    Parameters
    ----------
    images
        So many do not fit.
    remedy
        What the user can do if it was only one.

    Raises
    ------
    OutOfMemoryError
        If it was only one.
    """
    if images == 1:
        raise OutOfMemoryError(f'expected memory for one image at least, got an out-of-memory error; {remedy}')
    return images // 2


class Pieces:
    """Cuts images into pieces that fit; how large these can be is found out once.

    Parameters
    ----------
    remedy
        What the user can do if not even one image fits.

    Attributes
    ----------
    size
        Images per piece; None until there is reason to cut.
    """

    def __init__(self, remedy: str):
        self.size: int | None = None
        self._remedy = remedy

    def run(self, work: Callable[..., object], *tensors: torch.Tensor) -> None:
        """Call ``work`` with one piece after another.

        Parameters
        ----------
        work
            Takes a piece of every tensor; must leave nothing behind if it runs out of memory.
        *tensors
            (images, ...) each, equally many.

        Raises
        ------
        OutOfMemoryError
            If one image does not fit.
        """
        start = 0
        while start < len(tensors[0]):
            stop = len(tensors[0]) if self.size is None else start + self.size
            piece: Sequence[torch.Tensor] = [tensor[start:stop] for tensor in tensors]
            if fits(lambda: work(*piece)):
                start = stop
            else:
                self.size = halved(len(piece[0]), self._remedy)
