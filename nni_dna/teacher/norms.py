"""By which statistics a teacher's BatchNorm normalises; its own running statistics are never changed."""

from __future__ import annotations

from contextlib import contextmanager
from typing import Any, Callable, Iterator

from torch import nn
from torch.nn.modules.batchnorm import _BatchNorm

__all__ = ['TeacherNorms']


class TeacherNorms:
    """The BatchNorm layers of a teacher in evaluation mode.

    Those without running statistics are not among them: they always normalise by the batch at hand.

    Parameters
    ----------
    network
        The teacher.
    """

    def __init__(self, network: nn.Module):
        self._norms = [part for part in network.modules() if isinstance(part, _BatchNorm) and part.track_running_stats]
        self._calibrated: list[dict[str, Any]] | None = None

    def __len__(self) -> int:
        return len(self._norms)

    @contextmanager
    def by_batch(self) -> Iterator[None]:
        """In here, each normalises by the mean and the variance of the batch at hand."""
        with self._with([{'training': True, 'track_running_stats': False}] * len(self)):
            yield

    def calibrate(self, run: Callable[[], Any]) -> None:
        """Keep the statistics of the batch that ``run`` puts through the network, each layer normalising by its own.

        As for running statistics, the variance is the unbiased one.
        """
        buffers = [{name: buffer.clone() for name, buffer in norm.named_buffers(recurse=False)} for norm in self._norms]
        fresh = [{'training': True, 'momentum': 1.0, **own} for own in buffers]
        with self._with(fresh):
            run()
        self._calibrated = buffers

    @contextmanager
    def by_calibration(self) -> Iterator[None]:
        """In here, each normalises by the statistics of the last calibration, or by its running ones before any."""
        with self._with(self._calibrated or []):
            yield

    @contextmanager
    def _with(self, attributes: list[dict[str, Any]]) -> Iterator[None]:
        before = [{name: getattr(norm, name) for name in changes} for norm, changes in zip(self._norms, attributes)]
        _set(self._norms, attributes)
        try:
            yield
        finally:
            _set(self._norms, before)


def _set(norms: list[_BatchNorm], attributes: list[dict[str, Any]]) -> None:
    for norm, changes in zip(norms, attributes):
        for name, value in changes.items():
            setattr(norm, name, value)
