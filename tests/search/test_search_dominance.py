"""k-dominance against its definition."""

import numpy as np
import pytest

from nni_dna.search.dominance import undominated
from nni_dna.search.rivals import MOST, has_rival


def _rivals(numbers, borders, margins):
    """Count everyone's rivals pair by pair."""
    place = np.arange(numbers.shape[1])
    first = place[:, None] < place
    for row, margin in margins.items():
        first |= numbers[row][:, None] < numbers[row] - margin
    # By how much a rival is smaller matters in the row that decides; it is larger in none.
    no_larger = (numbers[:, :, None] <= numbers[:, None, :]).all(axis=0)
    return (first & no_larger & (borders[:, None] == borders)).sum(axis=0)


def _candidates(seed, kinds, decimals, count=700):
    rng = np.random.default_rng(seed)
    ratings = rng.random(count).round(decimals)
    return np.vstack([ratings, rng.integers(0, 50, (kinds, count))]), rng.integers(0, 2, count)


@pytest.mark.parametrize('decimals', [15, 1, 0])
@pytest.mark.parametrize('kinds', [0, 1, 2, 4])
@pytest.mark.parametrize('top_k', [1, 7])
def test_no_candidate_with_fewer_rivals_is_dropped(decimals, kinds, top_k):
    numbers, borders = _candidates(kinds, kinds, decimals)
    keep = undominated(numbers, borders, top_k=top_k, margins={0: 1e-3})
    assert keep[_rivals(numbers, borders, {0: 1e-3}) < top_k].all()


@pytest.mark.parametrize('decimals', [15, 1, 0])
@pytest.mark.parametrize('kinds', [1, 2, 3])
def test_on_a_front_no_candidate_without_a_rival_is_dropped(decimals, kinds):
    numbers, borders = _candidates(kinds, kinds, decimals)
    margins = {0: 1e-3, 1: 1e-3}
    keep = undominated(numbers, borders, top_k=1, margins=margins)
    rivals = _rivals(numbers, borders, margins)
    assert keep[rivals == 0].all()
    if kinds < MOST:
        assert (keep == (rivals == 0)).all()


@pytest.mark.parametrize('decimals', [15, 1, 0])
def test_nearly_all_dominated_candidates_are_dropped(decimals):
    rng = np.random.default_rng(1)
    numbers = np.vstack([rng.random(3000).round(decimals), rng.random((2, 3000))])
    borders = np.zeros(3000, dtype=np.int64)
    keep = undominated(numbers, borders, top_k=3, margins={0: 1e-12})
    needed = _rivals(numbers, borders, {0: 1e-12}) < 3
    assert keep.sum() < 2 * needed.sum()


def test_of_identical_candidates_the_first_stay():
    keep = undominated(np.zeros((2, 10)), np.zeros(10, dtype=np.int64), top_k=3, margins={0: 0.0})
    assert np.flatnonzero(keep).tolist() == [0, 1, 2]


def test_ratings_closer_than_the_margin_decide_only_in_order():
    numbers, borders = np.array([[1.0 + 1e-15, 1.0], [0.0, 0.0]]), np.zeros(2, dtype=np.int64)
    assert undominated(numbers, borders, top_k=1, margins={0: 1e-12}).all()


def test_costs_closer_than_the_margin_decide_only_in_order():
    numbers, borders = np.array([[1.0, 1.0], [3.0, 3.0 - 1e-9]]), np.zeros(2, dtype=np.int64)
    assert undominated(numbers, borders, top_k=1, margins={0: 0.0, 1: 1e-6}).all()
    assert undominated(numbers, borders, top_k=1, margins={0: 0.0, 1: 1e-12}).tolist() == [False, True]


@pytest.mark.parametrize('count', [1, 2, 3, 15, 16, 17, 300])
@pytest.mark.parametrize('decimals', [15, 1, 0])
@pytest.mark.parametrize('others', range(MOST + 1))
def test_whoever_has_a_rival_is_found(count, decimals, others):
    rng = np.random.default_rng(count)
    first, rest = rng.random(count).round(decimals), rng.random((others, count)).round(decimals)
    for margin in (0.0, 0.1):
        smaller = first[:, None] < first - margin
        expected = (smaller & (rest[:, :, None] <= rest[:, None, :]).all(axis=0)).any(axis=0)
        assert (has_rival(first, margin, rest) == expected).all()
