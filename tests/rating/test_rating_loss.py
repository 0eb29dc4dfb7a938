"""The rating against its formula in one shot over all images."""

import numpy as np
import pytest
import torch

from nni_dna.rating import RatingSums, TargetSpread


def batches(sizes=(5, 1, 8), mean=3.0, scale=2.0, seed=0):
    rng = np.random.default_rng(seed)
    return [rng.normal(mean, scale, (size, 3, 4, 2)) for size in sizes]


def rate(students, teachers, paths=1):
    sums, spread = RatingSums(paths), TargetSpread()
    for student, teacher in zip(students, teachers):
        spread.add(torch.from_numpy(teacher))
        for path in range(paths):
            sums.add(path, torch.from_numpy(student[path] if paths > 1 else student), torch.from_numpy(teacher))
    return sums.ratings(spread).numpy()


@pytest.mark.parametrize('sizes', [(14,), (5, 1, 8), (1,) * 14])
def test_the_spread_is_numpys_standard_deviation_over_all_elements(sizes):
    spread = TargetSpread()
    whole = batches(sizes=(14,))[0]
    for part in np.split(whole, np.cumsum(sizes)[:-1]):
        spread.add(torch.from_numpy(part))
    assert spread.count == whole.size
    assert spread.sigma == pytest.approx(whole.std(), rel=1e-12)


def test_the_spread_does_not_cancel_far_from_zero():
    values = 1e8 + np.random.default_rng(0).normal(size=(6, 1000))
    spread = TargetSpread()
    for part in values:
        spread.add(torch.from_numpy(part))
    assert spread.sigma == pytest.approx(values.std(), rel=1e-7)


def test_the_spread_is_in_double_precision_for_single_precision_maps():
    values = torch.full((1000,), 1000.0)
    values[::2] += 0.0625
    spread = TargetSpread()
    spread.add(values)
    assert spread.sigma == 0.03125


def test_a_rating_is_the_absolute_difference_over_size_and_spread():
    teachers, students = batches(seed=0), batches(seed=1)
    y, out = np.concatenate(teachers), np.concatenate(students)
    expected = np.abs(y - out).sum() / (y.size * y.std())
    assert rate(students, teachers) == pytest.approx([expected], rel=1e-12)


def test_each_path_is_rated_on_its_own():
    teachers = batches()
    students = [np.stack([teacher, teacher + 1, teacher - 2]) for teacher in teachers]
    sigma = np.concatenate(teachers).std()
    assert rate(students, teachers, paths=3) == pytest.approx([0, 1 / sigma, 2 / sigma], rel=1e-12)


@pytest.mark.parametrize('factor', [1e-6, 0.5, 3.0, 1e6])
def test_a_rating_does_not_depend_on_the_scale_of_the_feature_map(factor):
    teachers, students = batches(seed=0), batches(seed=1)
    scaled = rate([factor * student for student in students], [factor * teacher for teacher in teachers])
    assert scaled == pytest.approx(rate(students, teachers), rel=1e-12)


def test_a_rating_does_not_depend_on_the_mean_of_the_feature_map():
    teachers, students = batches(seed=0), batches(seed=1)
    moved = rate([student + 50 for student in students], [teacher + 50 for teacher in teachers])
    assert moved == pytest.approx(rate(students, teachers), rel=1e-10)


def test_a_student_that_knows_only_the_mean_is_rated_near_the_gaussian_constant():
    teachers = batches(sizes=(500, 500), mean=7.0, scale=4.0)
    students = [np.full_like(teacher, 7.0) for teacher in teachers]
    assert rate(students, teachers)[0] == pytest.approx(np.sqrt(2 / np.pi), abs=0.02)


def test_many_small_differences_are_summed_without_loss():
    sums, spread = RatingSums(1), TargetSpread()
    teacher = torch.zeros(1, 1, 1, 2)
    teacher[..., 1] = 2.0  # sigma 1
    student = teacher.clone()
    student[..., 0] += 2.0 ** -30
    big = teacher + 2.0 ** 20
    for each in (big, *[student] * 1000):
        spread.add(teacher)
        sums.add(0, each, teacher)
    assert sums.ratings(spread).item() == pytest.approx((2 * 2.0 ** 20 + 1000 * 2.0 ** -30) / 2002, rel=1e-15)


def test_an_output_that_is_not_finite_spoils_its_own_path_only():
    teachers = batches()
    students = [np.stack([teacher + 1, teacher, teacher + 1]) for teacher in teachers]
    students[1][0, 0, 0] = np.nan
    students[2][1, 0, 0] = np.inf
    ratings = rate(students, teachers, paths=3)
    assert np.isfinite(ratings).tolist() == [False, False, True]
