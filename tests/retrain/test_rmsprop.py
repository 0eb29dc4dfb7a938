"""RMSprop in TensorFlow's manner, beside its recurrence in NumPy and beside timm's."""

import copy

import numpy as np
import pytest
import torch

from nni_dna.retrain.rmsprop import RMSpropTF


def gradients(steps, shape, seed=0):
    return np.random.default_rng(seed).normal(size=(steps, *shape))


def run(optimizer, parameter, gradients):
    found = []
    for gradient in gradients:
        parameter.grad = torch.from_numpy(gradient)
        optimizer.step()
        found.append(parameter.detach().numpy().copy())
    return found


@pytest.mark.parametrize('options', [
    {}, {'momentum': 0.0}, {'weight_decay': 0.1}, {'alpha': 0.5, 'eps': 1e-8}, {'momentum': 0.5, 'weight_decay': 1e-3}])
def test_weights_follow_the_recurrence(options):
    given = {'alpha': 0.9, 'eps': 1e-3, 'momentum': 0.9, 'weight_decay': 0.0, **options}
    start = np.random.default_rng(1).normal(size=(3, 2))
    parameter = torch.nn.Parameter(torch.from_numpy(start.copy()))
    steps = gradients(12, (3, 2))
    found = run(RMSpropTF([parameter], lr=0.05, **options), parameter, steps)
    weight, square, velocity = start, np.ones((3, 2)), np.zeros((3, 2))
    for step, gradient in enumerate(steps):
        gradient = gradient + given['weight_decay'] * weight
        square = given['alpha'] * square + (1 - given['alpha']) * gradient ** 2
        velocity = given['momentum'] * velocity + 0.05 * gradient / np.sqrt(square + given['eps'])
        weight = weight - velocity
        np.testing.assert_allclose(found[step], weight, rtol=1e-10)


def test_weights_are_timms():
    timm = pytest.importorskip('timm.optim.rmsprop_tf')
    steps = gradients(10, (4,))
    ours, theirs = (torch.nn.Parameter(torch.ones(4, dtype=torch.float64)) for _ in range(2))
    options = {'lr': 0.064, 'alpha': 0.9, 'eps': 1e-3, 'momentum': 0.9, 'weight_decay': 1e-4}
    np.testing.assert_allclose(run(RMSpropTF([ours], **options), ours, steps),
                               run(timm.RMSpropTF([theirs], **options), theirs, steps), rtol=1e-10)


def test_the_first_step_is_smaller_than_that_of_pytorchs():
    lengths = []
    for kind in (RMSpropTF, torch.optim.RMSprop):
        parameter = torch.nn.Parameter(torch.zeros(1))
        parameter.grad = torch.full((1,), 0.01)
        kind([parameter], lr=1.0, alpha=0.9, eps=1e-3, momentum=0.9).step()
        lengths.append(-parameter.item())
    assert lengths == pytest.approx([0.01 / np.sqrt(0.9 + 1e-5 + 1e-3), 0.01 / (np.sqrt(1e-5) + 1e-3)])


def test_parameters_without_a_gradient_stay():
    parameter = torch.nn.Parameter(torch.ones(2))
    RMSpropTF([parameter], lr=1.0, weight_decay=0.5).step()
    assert parameter.tolist() == [1, 1]


def test_a_closure_is_run_with_gradients_and_its_loss_returned():
    parameter = torch.nn.Parameter(torch.ones(1))
    optimizer = RMSpropTF([parameter], lr=0.1, momentum=0.0, eps=0.0)

    def closure():
        loss = (3 * parameter).sum()
        loss.backward()
        return loss

    assert optimizer.step(closure).item() == 3
    assert parameter.item() == pytest.approx(1 - 0.1 * 3 / np.sqrt(0.9 + 0.9))


def test_its_state_can_be_saved_and_loaded():
    steps = gradients(6, (2,))
    parameter = torch.nn.Parameter(torch.zeros(2, dtype=torch.float64))
    optimizer = RMSpropTF([parameter], lr=0.1)
    run(optimizer, parameter, steps[:3])
    other = torch.nn.Parameter(parameter.detach().clone())
    resumed = RMSpropTF([other], lr=0.9)
    resumed.load_state_dict(copy.deepcopy(optimizer.state_dict()))
    np.testing.assert_array_equal(run(optimizer, parameter, steps[3:]), run(resumed, other, steps[3:]))
