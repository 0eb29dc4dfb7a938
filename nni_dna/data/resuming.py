"""A loader that an interrupted training can go on with."""

from __future__ import annotations

from typing import Any

import torch
from torch.utils.data import DataLoader

__all__ = ['ResumableLoader']


class ResumableLoader(DataLoader):
    """A loader that can be set back to an epoch's beginning, however often an iterator is made before its first batch.

    An iterator draws from the generator as soon as it is made, and Lightning makes one or two when it resumes, depending on its
    version.

    Attributes
    ----------
    resume_at
        State of the generator from which every iterator starts; None leaves the generator as it is.
    """

    resume_at: torch.Tensor | None = None

    def __iter__(self) -> Any:
        if self.resume_at is not None:
            self.generator.set_state(self.resume_at)
        return super().__iter__()
