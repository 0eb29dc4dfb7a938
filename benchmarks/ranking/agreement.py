"""Kendall's tau between a rating and the accuracy of networks that were trained alone, with its uncertainty. No torch."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from typing import Any, Sequence

import numpy as np
from scipy.stats import kendalltau

__all__ = ['Agreement', 'agreement', 'ceiling', 'difference', 'reliability', 'tau']


def tau(rating: Sequence[float] | np.ndarray, accuracy: Sequence[float] | np.ndarray) -> float:
    """Kendall's tau-b; positive means that the rating orders architectures as their accuracy does.

    Parameters
    ----------
    rating
        (architectures,) Smaller is better, as all of DNA's ratings.
    accuracy
        (architectures,) Larger is better.
    """
    return float(kendalltau(-np.asarray(rating, dtype=np.float64), np.asarray(accuracy, dtype=np.float64)).statistic)


@dataclass(frozen=True, kw_only=True)
class Agreement:
    """Kendall's tau of a sample.

    Attributes
    ----------
    tau
        Of the sample; positive: the rating orders as accuracy does.
    low, high
        Bounds of the 95% percentile interval of the bootstrap over architectures.
    sample
        Number of architectures.
    """

    tau: float
    low: float
    high: float
    sample: int

    def plain(self) -> dict[str, Any]:
        """As JSON-able data, rounded."""
        return {key: round(value, 4) for key, value in asdict(self).items()}

    def __str__(self) -> str:
        return f'{self.tau:.2f} [{self.low:.2f}, {self.high:.2f}]'


def agreement(rating: Sequence[float] | np.ndarray, accuracy: Sequence[float] | np.ndarray, *, resamples: int = 1000,
              seed: int = 0) -> Agreement:
    """Tau and its bootstrap interval.

    Parameters
    ----------
    rating, accuracy
        As of `tau`.
    resamples
        How often architectures are drawn with replacement.
    seed
        Of the draws. The same seed and sample size draw the same architectures, whatever is rated.
    """
    rating, accuracy = np.asarray(rating, dtype=np.float64), np.asarray(accuracy, dtype=np.float64)
    drawn = [tau(rating[chosen], accuracy[chosen]) for chosen in _draws(len(rating), resamples, seed)]
    low, high = np.nanpercentile(drawn, [2.5, 97.5])
    return Agreement(tau=tau(rating, accuracy), low=float(low), high=float(high), sample=len(rating))


def difference(rating: Sequence[float] | np.ndarray, other: Sequence[float] | np.ndarray,
               accuracy: Sequence[float] | np.ndarray, *, resamples: int = 1000, seed: int = 0) -> Agreement:
    """How much larger the tau of a rating is than that of another one: both see the same architectures in each draw.

    Parameters
    ----------
    rating, other
        (architectures,) Both smaller is better; or (seeds, architectures), of whose taus the mean counts.
    accuracy, resamples, seed
        As of `agreement`.
    """
    rating, other, accuracy = (np.asarray(values, dtype=np.float64) for values in (rating, other, accuracy))

    def margin(chosen: np.ndarray | slice) -> float:
        ours, theirs = (float(np.mean([tau(row[chosen], accuracy[chosen]) for row in np.atleast_2d(rows)]))
                        for rows in (rating, other))
        return ours - theirs

    low, high = np.nanpercentile([margin(chosen) for chosen in _draws(len(accuracy), resamples, seed)], [2.5, 97.5])
    return Agreement(tau=margin(slice(None)), low=float(low), high=float(high), sample=len(accuracy))


def reliability(accuracies: np.ndarray) -> float:
    """The mean correlation (Pearson) between the accuracies of two seeds: 1 means that the seed does not matter.

    Parameters
    ----------
    accuracies
        (architectures, seeds) At least two seeds.
    """
    between = np.corrcoef(np.asarray(accuracies, dtype=np.float64).T)
    return float(between[np.triu_indices(len(between), 1)].mean())


def ceiling(accuracies: np.ndarray) -> float:
    """About the tau that the true accuracies themselves would have with the measured means over the seeds.

    By Spearman and Brown's formula the mean of k seeds has the reliability R = k r / (1 + (k - 1) r), and correlates with the
    truth by sqrt(R); for normal variables that is a tau of 2 asin(sqrt(R)) / pi.

    Parameters
    ----------
    accuracies
        (architectures, seeds) At least two seeds.
    """
    single, seeds = reliability(accuracies), np.shape(accuracies)[1]
    mean = max(0.0, seeds * single / (1 + (seeds - 1) * single))
    return float(2 / np.pi * np.arcsin(np.sqrt(mean)))


def _draws(sample: int, resamples: int, seed: int) -> list[np.ndarray]:
    rng = np.random.default_rng(seed)
    return [rng.integers(sample, size=sample) for _ in range(resamples)]
