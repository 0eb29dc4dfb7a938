"""The rating of a path (Li et al., CVPR 2020, equation 5)."""

from __future__ import annotations

import torch

from ..errors import TeacherError

__all__ = ['RatingSums', 'TargetSpread']


class TargetSpread:
    """Standard deviation of a feature map over many batches (population, over all elements), in double precision."""

    def __init__(self) -> None:
        self.count = 0
        self._mean = 0.0
        self._squares = 0.0

    def add(self, target: torch.Tensor) -> None:
        """Take in a batch (any shape) by the pairwise update of Chan et al., which does not cancel."""
        values = target.detach().double()
        count, mean = values.numel(), values.mean().item()
        squares = (values - mean).square().sum().item()
        total = self.count + count
        delta = mean - self._mean
        self._squares += squares + delta * delta * self.count * count / total
        self._mean += delta * count / total
        self.count = total

    @property
    def sigma(self) -> float:
        """The standard deviation so far."""
        return (self._squares / self.count) ** 0.5


class RatingSums:
    r"""Ratings of many paths, summed over batches: :math:`\| Y - \hat{Y} \|_1 / (K \sigma(Y))`.

    Unlike the mean squared error it does not depend on the feature map's size and variance, so ratings add up over blocks.

    Parameters
    ----------
    paths
        Number of paths.
    """

    def __init__(self, paths: int):
        self._absolute = torch.zeros(paths, dtype=torch.float64)

    def add(self, path: int, student: torch.Tensor, teacher: torch.Tensor) -> None:
        """Take in one path's feature map of a batch; both (batch, channels, height, width)."""
        if self._absolute.device != student.device:
            self._absolute = self._absolute.to(student.device)
        # Channel by channel in single precision, which loses some 1e-9 and saves a copy in double precision. Not brought to the
        # CPU here: that would wait for the device at every path.
        self._absolute[path] += (student - teacher).abs_().sum((2, 3)).sum(dtype=torch.float64)

    def ratings(self, spread: TargetSpread) -> torch.Tensor:
        """The ratings.

        Parameters
        ----------
        spread
            Of the teacher's feature map over the same batches.

        Returns
        -------
        torch.Tensor
            (paths,) float64, smaller is better. A path whose output is not finite has a rating that is not finite.

        Raises
        ------
        TeacherError
            If the teacher's feature map is constant or not finite, so that nothing can be rated by it.
        """
        if not 0 < spread.sigma < float('inf'):
            raise TeacherError(f'teacher.stages: expected a feature map that varies over the held-out images, got a standard '
                               f'deviation of {spread.sigma}; check the teacher\'s weights')
        return self._absolute.cpu() / (spread.count * spread.sigma)
