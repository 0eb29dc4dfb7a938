"""Batches as large as memory holds: what does not fit is tried again in halves."""

from __future__ import annotations

from typing import Callable, Sequence

import torch
from pytorch_lightning.utilities.memory import is_oom_error

from ..errors import OutOfMemoryError

__all__ = ['Pieces', 'is_shortage', 'shortage', 'halved']

# What oneDNN says where the CPU's memory is short, among other things.
_ONEDNN = 'could not create a primitive', 'could not execute a primitive', 'could not create a memory'


def shortage(work: Callable[[], object]) -> str | None:
    """Do some work; return None or, where memory does not hold it, what the error says. Of any device.

    Parameters
    ----------
    work
        Must leave nothing behind if it fails.
    """
    try:
        work()
        return None
    except (RuntimeError, MemoryError) as error:
        if not is_shortage(error):
            raise
        said = f'{type(error).__name__}: {error}'
    torch.cuda.empty_cache()  # here, where the error no longer holds the tensors of the calls that it came through
    return said


def is_shortage(error: Exception) -> bool:
    """Whether an error says that memory is short, of any device."""
    return isinstance(error, (MemoryError, torch.cuda.OutOfMemoryError)) or is_oom_error(error) or str(error).startswith(_ONEDNN)


def halved(images: int, said: str, remedy: str) -> int:
    """Half as many images.

    Parameters
    ----------
    images
        So many do not fit.
    said
        What the error said.
    remedy
        What the user can do if it was only one.

    Raises
    ------
    OutOfMemoryError
        If it was only one.
    """
    if images == 1:
        raise OutOfMemoryError(f'expected memory for one image at least, got {said}; {remedy}')
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
            said = shortage(lambda: work(*piece))
            if said is None:
                start = stop
            else:
                self.size = halved(len(piece[0]), said, self._remedy)
