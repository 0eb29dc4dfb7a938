"""k-dominance against its definition."""

import numpy as np
import pytest

from nni_dna.search.dominance import undominated


def _rivals(ratings, costs, borders, margin):
    """Count everyone's rivals pair by pair."""
    place = np.arange(len(ratings))
    first = (ratings[:, None] < ratings - margin) | ((ratings[:, None] <= ratings) & (place[:, None] < place))
    cheaper = (costs[:, :, None] <= costs[:, None, :]).all(axis=0)
    return (first & cheaper & (borders[:, None] == borders)).sum(axis=0)


@pytest.mark.parametrize('decimals', [15, 1, 0])
@pytest.mark.parametrize('kinds', [0, 1, 2, 4])
@pytest.mark.parametrize('top_k', [1, 7])
def test_no_candidate_with_fewer_rivals_is_dropped(decimals, kinds, top_k):
    rng = np.random.default_rng(kinds)
    ratings = rng.random(700).round(decimals)
    costs = rng.integers(0, 50, (kinds, 700)).astype(np.float64)
    borders = rng.integers(0, 2, 700)
    keep = undominated(ratings, costs, borders, top_k=top_k, margin=1e-3)
    rivals = _rivals(ratings, costs, borders, margin=1e-3)
    assert keep[rivals < top_k].all()


@pytest.mark.parametrize('decimals', [15, 1, 0])
def test_nearly_all_dominated_candidates_are_dropped(decimals):
    rng = np.random.default_rng(1)
    ratings, costs = rng.random(3000).round(decimals), rng.random((2, 3000))
    borders = np.zeros(3000, dtype=np.int64)
    keep = undominated(ratings, costs, borders, top_k=3, margin=1e-12)
    needed = _rivals(ratings, costs, borders, margin=1e-12) < 3
    assert keep.sum() < 2 * needed.sum()


def test_of_identical_candidates_the_first_stay():
    keep = undominated(np.zeros(10), np.zeros((1, 10)), np.zeros(10, dtype=np.int64), top_k=3, margin=0.0)
    assert np.flatnonzero(keep).tolist() == [0, 1, 2]


def test_ratings_closer_than_the_margin_decide_only_in_order():
    ratings, costs, borders = np.array([1.0 + 1e-15, 1.0]), np.zeros((1, 2)), np.zeros(2, dtype=np.int64)
    assert undominated(ratings, costs, borders, top_k=1, margin=1e-12).all()
