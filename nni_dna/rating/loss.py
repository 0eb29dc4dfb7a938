"""How a path is rated: the L1 measure (Li et al., CVPR 2020, equation 5), and others to compare it with."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Callable

import torch

from ..errors import TeacherError

__all__ = ['MEASURES', 'RatingSums', 'TargetSpread']


class TargetSpread:
    """Moments of a feature map over many batches (population, over all elements), in double precision."""

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

    @property
    def norm(self) -> float:
        """The Euclidean norm so far."""
        return (self._squares + self.count * self._mean ** 2) ** 0.5


@dataclass(frozen=True)
class _Measure:
    """What is summed over the batches, and what the sums come to.

    Attributes
    ----------
    terms
        From a student's and a teacher's feature map: the batch's part of each sum, a float64 scalar each.
    rating
        From the sums, (paths,) float64 each, and the teacher's moments: the ratings (paths,).
    """

    terms: Callable[[torch.Tensor, torch.Tensor], list[torch.Tensor]]
    rating: Callable[[list[torch.Tensor], TargetSpread], torch.Tensor]


def _absolute(student: torch.Tensor, teacher: torch.Tensor) -> list[torch.Tensor]:
    # Channel by channel in single precision, which loses some 1e-9 and saves a copy in double precision.
    return [(student - teacher).abs_().sum((2, 3)).sum(dtype=torch.float64)]


def _squared(student: torch.Tensor, teacher: torch.Tensor) -> list[torch.Tensor]:
    return [(student.double() - teacher).square().sum()]


def _aligned(student: torch.Tensor, teacher: torch.Tensor) -> list[torch.Tensor]:
    own = student.double()
    return [(own * teacher).sum(), own.square().sum()]


def _cosine(sums: list[torch.Tensor], spread: TargetSpread) -> torch.Tensor:
    products, squares = sums
    # A map of zeros has no direction: it is as far off as one at a right angle.
    return 1 - torch.where(squares == 0, 0.0, products / (squares.sqrt() * spread.norm))


MEASURES: dict[str, _Measure] = {
    'l1': _Measure(_absolute, lambda sums, spread: sums[0] / (spread.count * spread.sigma)),
    'mse': _Measure(_squared, lambda sums, spread: sums[0] / spread.count),
    'mse_var': _Measure(_squared, lambda sums, spread: sums[0] / (spread.count * spread.sigma ** 2)),
    'cosine': _Measure(_aligned, _cosine),
}
"""The measures by their names; `RatingSums` gives their formulas."""


class RatingSums:
    r"""Ratings of many paths, summed over batches.

    With the teacher's feature map :math:`Y` and the student's :math:`\hat{Y}` over all held-out images, :math:`K` elements
    each, and the standard deviation :math:`\sigma(Y)` over all elements:

    - ``l1``: :math:`\| Y - \hat{Y} \|_1 / (K \sigma(Y))`, the paper's equation 5;
    - ``mse``: :math:`\| Y - \hat{Y} \|_2^2 / K`, the training loss of equation 4;
    - ``mse_var``: :math:`\| Y - \hat{Y} \|_2^2 / (K \sigma(Y)^2)`, the share of the variance that the student misses;
    - ``cosine``: :math:`1 - \langle Y, \hat{Y} \rangle / (\| Y \|_2 \| \hat{Y} \|_2)`, from 0 to 2; 1 for a student of zeros.

    All but ``mse`` are the same whatever the scale of the feature map, so that they add up over blocks; ``mse`` is not, and
    a sum of it is ruled by the blocks whose feature maps are largest.

    Parameters
    ----------
    paths
        Number of paths.
    measure
        One of ``MEASURES``.
    """

    def __init__(self, paths: int, measure: str = 'l1'):
        self._measure = MEASURES[measure]
        self._paths = paths
        self._sums: list[torch.Tensor] = []

    def add(self, path: int, student: torch.Tensor, teacher: torch.Tensor) -> None:
        """Take in one path's feature map of a batch; both (batch, channels, height, width)."""
        terms = self._measure.terms(student, teacher)
        if not self._sums:
            self._sums = [torch.zeros(self._paths, dtype=torch.float64, device=student.device) for _ in terms]
        for sums, term in zip(self._sums, terms):
            sums[path] += term  # not brought to the CPU here: that would wait for the device at every path

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
            If the teacher's feature map is constant or not finite, so that nothing can be rated by it, whatever the measure.
        """
        if not 0 < spread.sigma < float('inf'):
            raise TeacherError(f'teacher.stages: expected a feature map that varies over the held-out images, got a standard '
                               f'deviation of {spread.sigma}; check the teacher\'s weights')
        return self._measure.rating([sums.cpu() for sums in self._sums], spread)
