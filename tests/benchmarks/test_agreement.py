"""Kendall's tau with its sign, its interval, and the ceiling that noise puts on it."""

import numpy as np
import pytest
from scipy.stats import kendalltau

from agreement import agreement, ceiling, difference, reliability, tau


def brute_force(rating, accuracy):
    """Concordant less discordant pairs over all pairs, a smaller rating being better; without ties."""
    pairs = [(i, j) for i in range(len(rating)) for j in range(i)]
    return sum(np.sign(rating[j] - rating[i]) * np.sign(accuracy[i] - accuracy[j]) for i, j in pairs) / len(pairs)


def noisy(count, noise, seed=0):
    rng = np.random.default_rng(seed)
    truth = rng.normal(size=count)
    return truth, -truth + noise * rng.normal(size=count)


def test_tau_is_positive_where_a_smaller_rating_means_a_higher_accuracy():
    assert tau([1, 2, 3], [0.9, 0.8, 0.7]) == pytest.approx(1)
    assert tau([1, 2, 3], [0.7, 0.8, 0.9]) == pytest.approx(-1)


def test_tau_counts_pairs():
    accuracy, rating = noisy(25, noise=0.8)
    assert tau(rating, accuracy) == pytest.approx(brute_force(rating, accuracy))


def test_tau_with_ties_is_scipys():
    rating, accuracy = [1, 1, 2, 3, 3], [0.5, 0.6, 0.6, 0.2, 0.1]
    assert tau(rating, accuracy) == pytest.approx(-kendalltau(rating, accuracy)[0])


def test_the_interval_holds_the_tau_of_the_population_as_often_as_it_says():
    # For normal variables of correlation r, tau is 2 asin(r) / pi.
    population = 2 / np.pi * np.arcsin(1 / np.sqrt(1 + 0.8 ** 2))
    found = [agreement(rating, accuracy, resamples=60) for accuracy, rating in (noisy(60, 0.8, seed) for seed in range(20))]
    assert 16 <= sum(one.low <= population <= one.high for one in found)
    assert all(one.low < one.tau < one.high and one.sample == 60 for one in found)


def test_a_larger_sample_has_a_narrower_interval():
    small, large = (agreement(*noisy(count, 0.8)[::-1], resamples=60) for count in (20, 100))
    assert large.high - large.low < small.high - small.low


def test_a_rating_differs_from_itself_by_nothing_and_from_noise_by_its_own_tau():
    accuracy, rating = noisy(80, 0.5)
    assert (difference(rating, rating, accuracy).low, difference(rating, rating, accuracy).high) == (0, 0)
    other = np.random.default_rng(5).normal(size=80)
    found = difference(rating, other, accuracy, resamples=60)
    assert found.tau == pytest.approx(tau(rating, accuracy) - tau(other, accuracy))
    assert found.low > 0


def test_the_ceiling_is_the_tau_that_the_truth_reaches():
    rng = np.random.default_rng(1)
    truth = rng.normal(size=2000)
    measured = truth[:, None] + 0.7 * rng.normal(size=(2000, 2))
    assert reliability(measured) == pytest.approx(1 / (1 + 0.7 ** 2), abs=0.04)
    assert ceiling(measured) == pytest.approx(tau(-truth, measured.mean(axis=1)), abs=0.03)
