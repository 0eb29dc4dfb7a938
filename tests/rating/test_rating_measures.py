"""Every measure against its formula in NumPy, over all images at once."""

import typing

import numpy as np
import pytest
import torch
from schema import Or

from nni_dna.errors import TeacherError
from nni_dna.rating import RatingSums, TargetSpread
from nni_dna.rating.loss import MEASURES
from nni_dna.settings.sections import RateSettings

FORMULAS = {
    'l1': lambda y, out: np.abs(y - out).sum() / (y.size * y.std()),
    'mse': lambda y, out: np.square(y - out).sum() / y.size,
    'mse_var': lambda y, out: np.square(y - out).sum() / (y.size * y.var()),
    'cosine': lambda y, out: 1 - (y * out).sum() / (np.linalg.norm(y) * np.linalg.norm(out)),
}


def batches(seed, sizes=(5, 1, 8), mean=3.0, scale=2.0):
    rng = np.random.default_rng(seed)
    return [rng.normal(mean, scale, (size, 3, 4, 2)) for size in sizes]


def rate(measure, students, teachers):
    """The ratings of paths, each with a list of batches."""
    sums, spread = RatingSums(len(students), measure), TargetSpread()
    for number, teacher in enumerate(teachers):
        spread.add(torch.from_numpy(teacher))
        for path, student in enumerate(students):
            sums.add(path, torch.from_numpy(student[number]), torch.from_numpy(teacher))
    return sums.ratings(spread).numpy()


def test_the_setting_names_every_measure_and_no_other():
    schema = typing.cast(Or, RateSettings.__dataclass_fields__['measure'].metadata['rule'].schema)
    assert set(schema.args) == set(MEASURES) == set(FORMULAS)
    assert RateSettings().measure == 'l1'


@pytest.mark.parametrize('measure', FORMULAS)
@pytest.mark.parametrize('sizes', [(14,), (5, 1, 8)])
def test_a_rating_is_what_the_formula_gives_for_each_path(measure, sizes):
    teachers, students = batches(0, sizes), [batches(seed, sizes, mean=seed) for seed in (1, 2, 3)]
    y = np.concatenate(teachers)
    expected = [FORMULAS[measure](y, np.concatenate(student)) for student in students]
    assert rate(measure, students, teachers) == pytest.approx(expected, rel=1e-12)


@pytest.mark.parametrize('measure', FORMULAS)
def test_the_teacher_itself_is_rated_best_and_a_better_student_better(measure):
    teachers, noise = batches(0), batches(1, mean=0)
    students = [[y + share * n for y, n in zip(teachers, noise)] for share in (0, 0.1, 0.5, 2)]
    ratings = rate(measure, students, teachers)
    assert ratings[0] == pytest.approx(0, abs=1e-15)
    assert (np.diff(ratings) > 0).all()


@pytest.mark.parametrize('measure, power', [('l1', 0), ('mse', 2), ('mse_var', 0), ('cosine', 0)])
@pytest.mark.parametrize('factor', [1e-6, 3.0, 1e6])
def test_only_the_mse_depends_on_the_scale_of_the_feature_map(measure, power, factor):
    teachers, student = batches(0), batches(1)
    scaled = rate(measure, [[factor * out for out in student]], [factor * y for y in teachers])
    assert scaled == pytest.approx(factor ** power * rate(measure, [student], teachers), rel=1e-9)


@pytest.mark.parametrize('measure', FORMULAS)
@pytest.mark.parametrize('value', [0.0, 3.5, np.nan, np.inf])
def test_a_feature_map_that_is_constant_or_not_finite_is_refused(measure, value):
    teachers = [np.full_like(y, value) for y in batches(0)]
    with pytest.raises(TeacherError, match='teacher.stages: expected a feature map that varies over the held-out images'):
        rate(measure, [batches(1)], teachers)


@pytest.mark.parametrize('measure', FORMULAS)
@pytest.mark.parametrize('value', [np.nan, np.inf, -np.inf])
def test_an_output_that_is_not_finite_spoils_its_own_path_only(measure, value):
    teachers, good, bad = batches(0), batches(1), batches(2)
    bad[1][0, 0, 0] = value
    ratings = rate(measure, [good, bad, good], teachers)
    assert np.isfinite(ratings).tolist() == [True, False, True]


def test_by_the_cosine_a_student_of_zeros_is_as_far_off_as_one_at_a_right_angle():
    teachers = [np.array([1.0, 2.0, 0.0, 0.0]).reshape(1, 1, 2, 2)]
    students = [[np.zeros((1, 1, 2, 2))], [np.array([0.0, 0.0, 5.0, -1.0]).reshape(1, 1, 2, 2)], [-3 * teachers[0]]]
    assert rate('cosine', students, teachers) == pytest.approx([1, 1, 2])


def test_large_numbers_in_single_precision_do_not_overflow():
    y = torch.tensor([[[[1e20, -1e20, 2e20, 0.0]]]])
    for measure in FORMULAS:
        sums, spread = RatingSums(1, measure), TargetSpread()
        spread.add(y)
        sums.add(0, -y, y)
        expected = FORMULAS[measure](y.double().numpy(), -y.double().numpy())
        assert sums.ratings(spread).item() == pytest.approx(expected, rel=1e-7)
