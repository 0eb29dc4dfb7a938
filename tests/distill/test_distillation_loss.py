"""The loss of a block against its definition."""

import numpy as np
import pytest
import torch

from nni_dna.distill import distillation_loss


@pytest.mark.parametrize('shape', [(1, 1, 1, 1), (4, 3, 5, 2), (2, 8, 4, 4)])
def test_the_loss_is_the_mean_squared_difference_over_all_elements(shape):
    rng = np.random.default_rng(0)
    student, teacher = rng.normal(size=shape), rng.normal(2, 3, size=shape)
    expected = ((teacher - student) ** 2).sum() / np.prod(shape)
    loss = distillation_loss(torch.from_numpy(student), torch.from_numpy(teacher))
    assert loss.item() == pytest.approx(expected, rel=1e-12)


def test_the_gradient_pulls_the_student_to_the_teacher():
    student = torch.zeros(1, 2, 1, 2, requires_grad=True)
    teacher = torch.tensor([1.0, -2.0, 3.0, 0.0]).reshape(1, 2, 1, 2)
    distillation_loss(student, teacher).backward()
    assert torch.allclose(student.grad, -2 * teacher / 4)


def test_a_perfect_student_has_no_loss_and_one_that_is_not_a_number_has_nan():
    value = torch.randn(2, 3, 4, 4)
    assert distillation_loss(value, value.clone()).item() == 0
    assert distillation_loss(value * float('nan'), value).isnan()
