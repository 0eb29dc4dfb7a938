"""Choices that NNI does not know: mutation hooks, and what is refused without one."""

import nni
import pytest
import torch
from torch import nn
from nni.nas.nn.pytorch import ModelSpace, MutableConv2d, MutableDropout

from made import Made, choice
from plain_paths import Case
from strategy_toys import ScaleChoice, ScaleSampling
from nni_dna.errors import SpaceError
from nni_dna.supernet import DNAMutator


class WeightedSampling(ScaleSampling):
    """Scales by the factor that was chosen, times a weight."""

    def __init__(self, label):
        super().__init__(label)
        self.weight = nn.Parameter(torch.ones(()))

    def forward(self, x):
        return super().forward(x * self.weight)

    @classmethod
    def mutate(cls, module, name, memo, mutate_kwargs):
        if isinstance(module, ScaleChoice):
            return cls(module.factor.label)


class Scaled(ModelSpace):
    def __init__(self):
        super().__init__()
        self.blocks = nn.Sequential(MutableConv2d(3, 3, 1), ScaleChoice('factor', [2.0, 5.0]))

    def forward(self, x):
        return self.blocks(x)


class ScaledWithItsHook(Scaled):
    """Brings its hook along, as NNI's own spaces do."""

    def extra_oneshot_hooks(self, strategy):
        return [WeightedSampling.mutate]


def assert_scaled(case, supernet):
    x = case.input(0)
    scaling = supernet.steps[0][-2]
    plain = supernet(x, 0, (0,) * (len(supernet.steps[0]) - 2)) / 2
    with torch.no_grad():
        scaling.weight.fill_(10)
    for option, factor in enumerate((2, 5)):
        path = (0,) * (len(supernet.steps[0]) - 3) + (option,)
        assert torch.allclose(supernet(x, 0, path), plain * 10 * factor, atol=1e-5)


def test_a_mutation_hook_stands_in_for_a_choice_of_the_users_own():
    case = Case(Scaled)
    assert case.chain.blocks[0].cells[0].radix[-1] == 2
    assert_scaled(case, case.supernet(0, mutator=DNAMutator(mutation_hooks=[WeightedSampling.mutate])))


def test_a_mutation_hook_that_the_model_space_brings_is_used():
    case = Case(ScaledWithItsHook)
    assert_scaled(case, case.supernet(0))


def test_hooks_run_before_nnis_own(toy):
    seen = []

    def hook(module, name, memo, mutate_kwargs):
        seen.append(type(module).__name__)

    toy.supernet(0, 'deep', mutator=DNAMutator([hook]))
    assert seen.count('LayerChoice') == 2


@pytest.mark.parametrize('make', [Scaled, lambda: Made(lambda: {'a': choice('a', stride=2),
                                                                'b': MutableDropout(nni.choice('p', [0.1, 0.5]))})],
                         ids=['of the users own', 'of a dropout rate'])
def test_a_choice_that_nothing_stands_in_for_is_refused(make):
    with pytest.raises(SpaceError, match='^block1: .*mutation_hooks of DNA or DNAMutator, or extra_oneshot_hooks'):
        Case(make).supernet(0)
