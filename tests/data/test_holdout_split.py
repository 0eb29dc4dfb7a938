"""Which images are held out."""

from collections import Counter

import pytest

from nni_dna.data import split_holdout
from nni_dna.errors import DataError

LABELS = [0] * 10 + [2] * 5 + [1] * 7 + [0] * 3


def test_held_out_and_kept_images_are_disjoint_and_together_all():
    kept, held = split_holdout(LABELS, 3, seed=0)
    assert sorted(kept + held) == list(range(len(LABELS)))
    assert kept == sorted(kept) and held == sorted(held)


@pytest.mark.parametrize('per_class', [1, 3, 4])
def test_every_class_gives_the_same_number_of_images(per_class):
    _, held = split_holdout(LABELS, per_class, seed=1)
    assert Counter(LABELS[index] for index in held) == {0: per_class, 1: per_class, 2: per_class}


def test_the_choice_depends_on_the_seed_only():
    assert split_holdout(LABELS, 3, seed=5) == split_holdout(list(LABELS), 3, seed=5)
    assert len({tuple(split_holdout(LABELS, 3, seed)[1]) for seed in range(10)}) > 1


def test_every_image_of_a_class_is_held_out_equally_often():
    counts = Counter(index for seed in range(600) for index in split_holdout([0] * 6, 2, seed)[1])
    # 200 expected, standard deviation 11.5
    assert all(150 < counts[index] < 250 for index in range(6))


@pytest.mark.parametrize('per_class', [5, 6])
def test_a_class_must_keep_an_image_to_train_on(per_class):
    with pytest.raises(DataError, match=f'fewer than the 5 images of class 2, got {per_class}; lower data.holdout'):
        split_holdout(LABELS, per_class, seed=0)
