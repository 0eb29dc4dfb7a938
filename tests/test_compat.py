"""What mends NNI: the penalty on a supernet's expected cost, against brute force over all architectures."""

from __future__ import annotations

import itertools
import math
import subprocess
import sys

import pytest
import torch
from nni.nas import strategy
from nni.nas.nn.pytorch import LayerChoice, ModelSpace
from nni.nas.profiler.pytorch.flops import FlopsProfiler
from torch import nn

from nni_dna.compat import ExpectedCostPenalty

IMAGES, LIMIT, SCALE = torch.zeros(1, 3, 8, 8), 5_000, 2.0


class Chain(ModelSpace):
    """27 architectures."""

    def __init__(self):
        super().__init__()
        self.layers = nn.Sequential(*(LayerChoice({f'k{kernel}': nn.Conv2d(3, 3, kernel, padding=kernel // 2)
                                                   for kernel in (1, 3, 5)}, label=f'layer{index}') for index in range(3)))

    def forward(self, images):
        return self.layers(images)


def searching(make, **penalty):
    """A strategy that has made its supernet, its architecture parameters, and the probabilities as NNI hands them over."""
    found = make()
    found.penalty = ExpectedCostPenalty(found, **penalty) if penalty else None
    found.mutate_model(Chain())
    torch.manual_seed(0)
    for alpha in found._arch_parameters.values():
        nn.init.normal_(alpha)
    sample = {label: dict(zip(('k1', 'k3', 'k5'), alpha.softmax(-1).tolist())) for label, alpha in found._arch_parameters.items()}
    return found, sample


def expected_by_hand(profiler, alphas):
    """Over all architectures: what each costs, times its probability."""
    probabilities = {label: dict(zip(('k1', 'k3', 'k5'), torch.as_tensor(alpha, dtype=torch.float64).softmax(-1).tolist()))
                     for label, alpha in alphas.items()}
    return sum(math.prod(probabilities[label][choice] for label, choice in zip(alphas, chosen))
               * profiler.profile(dict(zip(alphas, chosen))) for chosen in itertools.product(('k1', 'k3', 'k5'), repeat=3))


@pytest.mark.parametrize('make', [strategy.DARTS, strategy.GumbelDARTS, strategy.Proxyless])
def test_the_expected_cost_and_its_gradient_are_those_of_all_architectures(make):
    profiler = FlopsProfiler(Chain(), IMAGES)
    found, sample = searching(make, profiler=profiler, baseline=LIMIT, scale=SCALE, nonlinear='positive')
    loss, details = found.penalty(torch.tensor(1.0), sample)
    loss.backward()
    alphas = {label: alpha.detach().double() for label, alpha in found._arch_parameters.items()}
    cost = expected_by_hand(profiler, alphas)
    assert cost > LIMIT and details['penalty'].item() == pytest.approx(cost, rel=1e-5)
    assert loss.item() == pytest.approx(1 + SCALE * (cost / LIMIT - 1), rel=1e-5)
    for label, place in itertools.product(alphas, range(3)):
        moved = {name: alpha.clone() for name, alpha in alphas.items()}
        moved[label][place] += 1e-5
        slope = SCALE / LIMIT * (expected_by_hand(profiler, moved) - cost) / 1e-5
        assert found._arch_parameters[label].grad[place].item() == pytest.approx(slope, rel=1e-3, abs=1e-4)


def test_what_keeps_the_limit_is_not_penalised():
    found, sample = searching(strategy.DARTS, profiler=FlopsProfiler(Chain(), IMAGES), baseline=10 * LIMIT, nonlinear='positive')
    assert found.penalty(torch.tensor(1.0), sample)[0].item() == 1


def test_nnis_own_penalty_has_no_gradient():
    """If this fails, NNI has mended it, and ours can go."""
    _, sample = searching(strategy.DARTS)
    own = strategy.DARTS(penalty={'profiler': FlopsProfiler(Chain(), IMAGES), 'baseline': LIMIT, 'nonlinear': 'positive'})
    own.mutate_model(Chain())
    loss, _ = own.penalty(torch.tensor(1.0), sample)
    assert loss.item() > 1 and not loss.requires_grad


@pytest.mark.parametrize('name', ['DNA', 'DNAMutator'])
def test_strategies_of_nni_work_whichever_package_is_imported_first(name):
    script = f'from nni_dna import {name}; from nni.nas.strategy import DARTS; print(DARTS.__module__)'
    done = subprocess.run([sys.executable, '-W', 'ignore', '-c', script], capture_output=True, text=True, timeout=200)
    assert done.stdout.strip() == 'nni.nas.oneshot.pytorch.strategy', done.stderr
