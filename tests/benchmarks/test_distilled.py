"""Training with the knowledge of a whole teacher, and what is trained."""

from types import SimpleNamespace

import numpy as np
import pytest
import torch

from distilled import STANDARD, knowledge_loss, of_cells
from nni_dna.cost.counter import count
from variants import SPACES


def test_a_student_that_says_what_the_teacher_says_is_left_with_the_labels_loss():
    logits, labels = torch.randn(8, 10), torch.randint(10, (8,))
    assert knowledge_loss(logits, logits, labels).item() == pytest.approx(
        0.1 * torch.nn.functional.cross_entropy(logits, labels).item(), rel=1e-5)


def test_the_gradient_leads_to_the_teachers_softened_answer():
    """d/dz of T^2 KL is T (softmax(z/T) - softmax(t/T)), image by image."""
    student, teacher, labels = torch.randn(4, 10, requires_grad=True), torch.randn(4, 10), torch.randint(10, (4,))
    knowledge_loss(student, teacher, labels).backward()
    soft = 4 * ((student / 4).softmax(1) - (teacher / 4).softmax(1))
    hard = student.softmax(1) - torch.nn.functional.one_hot(labels, 10)
    assert torch.allclose(student.grad, (0.9 * soft + 0.1 * hard).detach() / 4, atol=1e-6)


def test_one_cell_per_block_leaves_the_paths_of_that_cell():
    cell = SimpleNamespace
    block = SimpleNamespace(cells=[cell(name='1x8', paths=2), cell(name='2x8', paths=3)], first_path=lambda index: 2 * index)
    kept, = of_cells(SimpleNamespace(chain=SimpleNamespace(blocks=[block])), ['2x8'], [np.arange(5.0)])
    assert kept.tolist() == [np.inf, np.inf, 2, 3, 4]


@pytest.mark.parametrize('name', STANDARD)
def test_standard_networks_cost_what_the_sample_costs(name):
    with torch.device('meta'):
        cost, _ = count(STANDARD[name](), (3, 32, 32))
    assert cost.madds == pytest.approx(SPACES['even'][1], rel=0.05)
