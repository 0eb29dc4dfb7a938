"""What a model space is taken apart into, and which spaces are no chains."""

import itertools

import nni
import pytest
import torch
from torch import nn
from torch.nn import functional
from nni.nas.hub import pytorch as hub
from nni.nas.nn.pytorch import (
    LayerChoice, ModelSpace, MutableBatchNorm2d, MutableConv2d, MutableLinear, MutableModule, ParametrizedModule, Repeat)

from made import choice, conv, made, norm_conv, on_meta, proxyless, seq, shuffle
from nni_dna.errors import SpaceError
from nni_dna.spaces.units import units_of


def names(space, size=16):
    return [unit.name for unit in units_of(space, (3, size, size))]


class Residual(nn.Module):
    """Adds what it is given."""

    def __init__(self, *inner):
        super().__init__()
        self.inner = seq(*inner)

    def forward(self, x):
        return x + self.inner(x)


class Stage(nn.Module):
    """Runs its children one after another, as nn.Sequential does, in a class of the user's own."""

    def __init__(self, *inner):
        super().__init__()
        self.first, self.second = inner

    def forward(self, x):
        return self.second(self.first(x))


def test_sequentials_are_taken_apart_as_deep_as_choices_go():
    space = made(lambda: {'stem': seq(conv(), nn.ReLU()), 'body': seq(seq(choice('a'), conv()), seq(seq(choice('b'))))})
    assert names(space) == ['stem', 'body.0.0', 'body.0.1', 'body.1.0.0']


def test_a_unit_has_the_size_of_its_output():
    space = made(lambda: {'stem': conv(stride=2), 'a': choice('a', stride=2), 'b': choice('b')})
    assert [(unit.name, unit.size) for unit in units_of(space, (3, 20, 12))] == [
        ('stem', (10, 6)), ('a', (5, 3)), ('b', (5, 3))]


def test_a_module_without_a_choice_is_one_unit_whatever_is_in_it():
    space = made(lambda: {'a': choice('a'), 'fixed': seq(conv(), seq(conv(), conv())), 'b': choice('b')})
    assert names(space) == ['a', 'fixed', 'b']


def test_a_module_of_the_users_own_that_runs_its_choices_one_after_another_is_taken_apart():
    space = made(lambda: {'a': Stage(choice('a'), Stage(conv(), choice('b')))})
    assert names(space) == ['a.first', 'a.second.first', 'a.second.second']


def test_a_module_whose_children_share_a_label_is_one_operation():
    def parts():
        hidden = nni.choice('hidden', [4, 8])
        return {'a': Stage(MutableConv2d(3, hidden, 1), MutableConv2d(hidden, 3, 1)),
                'b': Stage(choice('b'), conv(nni.choice('k', [1, 3])))}
    assert names(made(parts)) == ['a', 'b.first', 'b.second']


def test_a_module_whose_children_choose_sizes_only_is_one_operation():
    space = made(lambda: {'a': Stage(conv(nni.choice('k1', [1, 3])), conv(nni.choice('k2', [1, 3])))})
    assert names(space) == ['a']


@pytest.mark.parametrize('make', [lambda: Residual(choice('a'), choice('b')), lambda: Residual(choice('a'))],
                         ids=['two choices', 'one choice'])
def test_a_residual_around_choices_is_one_unit(make):
    assert names(made(lambda: {'stem': conv(), 'a': make()})) == ['stem', 'a']


def test_a_sequential_with_a_forward_of_its_own_is_one_unit():
    class Twice(nn.Sequential):
        def forward(self, x):
            return 2 * super().forward(x)
    assert names(made(lambda: {'a': Twice(choice('a'), choice('b'))})) == ['a']


def test_a_repeat_and_a_choice_are_each_one_unit():
    space = made(lambda: {'a': Repeat(lambda index: choice(f'a{index}'), (1, 3), label='d'),
                          'b': LayerChoice({'x': seq(choice('bx'), conv()), 'y': conv()}, label='b')})
    assert names(space) == ['a', 'b']


def test_a_repeat_that_runs_nothing_in_the_dry_run_is_a_unit():
    space = made(lambda: {'a': choice('a'), 'b': Repeat(lambda index: choice(f'b{index}'), (0, 2), label='d'), 'c': choice('c')})
    assert names(space) == ['a', 'b', 'c']


class Own(MutableModule):
    """A choice of the user's own around a convolution."""

    def __init__(self):
        super().__init__()
        self.add_mutable(nni.choice('own', [1, 2]))
        self.inner = choice('inner')

    def forward(self, x):
        return self.inner(x)


class OwnLayer(ParametrizedModule):
    """A layer of the user's own, whose arguments may be choices."""

    def __init__(self, factor):
        super().__init__()
        self.factor = factor

    def forward(self, x):
        return x * self.factor


def test_a_mutable_module_of_the_users_own_is_one_unit():
    space = made(lambda: {'a': Own(), 'b': OwnLayer(nni.choice('factor', [1, 2]))})
    assert names(space) == ['a', 'b']


def test_what_runs_behind_the_last_choice_is_listed_as_long_as_it_gives_maps():
    space = made(lambda: {'a': choice('a'), 'b': conv(), 'pool': nn.AdaptiveAvgPool2d(1), 'flat': nn.Flatten(),
                          'fc': nn.Linear(3, 2)})
    assert names(space) == ['a', 'b', 'pool']


def test_the_modules_run_in_the_order_of_the_forward_pass_and_not_of_the_constructor():
    space = made(lambda: {'b': choice('b'), 'a': choice('a')}, lambda self, x: self.b(self.a(x)))
    assert names(space) == ['a', 'b']


def test_a_fixed_module_that_runs_twice_is_two_units():
    def parts():
        pool = nn.MaxPool2d(2)
        return {'body': seq(choice('a'), pool, choice('b'), pool, choice('c'))}
    units = units_of(made(parts), (3, 16, 16))
    assert [unit.size[0] for unit in units] == [16, 8, 8, 4, 4]


def test_a_module_list_that_the_forward_pass_runs_in_a_loop_is_a_chain():
    def run(self, x):
        for layer in self.layers:
            x = layer(x)
        return x
    assert names(made(lambda: {'layers': nn.ModuleList([choice('a'), conv(), choice('b')])}, run)) == [
        'layers.0', 'layers.1', 'layers.2']


INSTEAD = 'nni.nas.strategy.DARTS, ENAS or RegularizedEvolution'


def two(run):
    return made(lambda: {'a': choice('a'), 'b': choice('b')}, run)


@pytest.mark.parametrize('run, message', [
    (lambda n, x: n.b(functional.max_pool2d(n.a(x), 2)),
     "label 'b' of model space Made: the modules stop running one after another behind 'a'"),
    (lambda n, x: n.b(n.a(x) * 2 - 1), "label 'b' .*stop running one after another behind 'a'"),
    (lambda n, x: n.b(n.a(x).relu_()), "label 'b' .*stop running one after another behind 'a'"),
    (lambda n, x: n.a(x) + n.b(x), "label 'b' .*stop running one after another behind 'a'"),
    (lambda n, x: n.b(n.a(x * 2)), "label 'a' .*stop running one after another at the first module"),
    (lambda n, x: n.a(x), "label 'b' .*is in no module that ran in a forward pass"),
    (lambda n, x: n.a(n.b(n.a(x))), "module 'a' of the model space runs twice in a forward pass"),
    (lambda n, x: n.a(n.a(n.b(x))), "module 'a' of the model space runs twice in a forward pass"),
], ids=['a function between', 'arithmetic between', 'in place between', 'two branches', 'something before', 'not run',
        'run twice', 'run twice in a row'])
def test_a_space_that_is_no_chain_is_refused_with_the_place_and_what_to_use_instead(run, message):
    with pytest.raises(SpaceError, match=f'{message}; .*{INSTEAD}'):
        units_of(two(run), (3, 16, 16))


class Scaled(nn.Module):
    """Takes more than its input."""

    def __init__(self):
        super().__init__()
        self.inner = choice('scaled')

    def forward(self, x, scale=1.0):
        return self.inner(x) * scale


@pytest.mark.parametrize('run', [lambda n, x: n.scaled(n.a(x), 2.0), lambda n, x: n.scaled(n.a(x), scale=2.0),
                                 lambda n, x: n.scaled(n.a(x), x)], ids=['number', 'by name', 'a map from before'])
def test_a_module_that_is_given_more_than_the_map_before_it_is_refused(run):
    with pytest.raises(SpaceError, match="label 'scaled' .*stop running one after another behind 'a'"):
        units_of(made(lambda: {'a': choice('a'), 'scaled': Scaled()}, run), (3, 8, 8))
    assert names(made(lambda: {'a': choice('a'), 'scaled': Scaled()})) == ['a', 'scaled']


def test_a_choice_behind_an_auxiliary_head_is_refused():
    def run(self, x):
        x = self.a(x)
        return self.head(x), self.b(x)
    with pytest.raises(SpaceError, match="label 'b' .*stop running one after another behind 'head'"):
        units_of(made(lambda: {'a': choice('a'), 'head': seq(nn.AdaptiveAvgPool2d(1), nn.Flatten()), 'b': choice('b')}, run),
                 (3, 8, 8))


def test_a_choice_within_a_branch_of_a_module_that_runs_twice_is_refused():
    space = made(lambda: {'stem': conv(), 'twice': Residual(choice('a'))}, lambda self, x: self.twice(self.twice(self.stem(x))))
    with pytest.raises(SpaceError, match="module 'twice.*' of the model space runs twice"):
        units_of(space, (3, 8, 8))


def test_a_choice_of_an_operation_behind_the_chain_is_refused_even_where_it_has_a_label_of_a_unit():
    def parts():
        fc = LayerChoice({'k1': nn.Linear(48, 2), 'k3': nn.Linear(48, 2)}, label='a')
        return {'a': choice('a'), 'flat': nn.Flatten(), 'fc': fc}

    def run(self, x):
        return self.fc(self.flat(self.a(x)) * 2)
    with pytest.raises(SpaceError, match="label 'a' .*stop running one after another behind 'flat'"):
        units_of(made(parts, run), (3, 4, 4))


def test_a_width_may_reach_into_a_classifier_that_is_no_part_of_the_chain():
    def parts():
        wide = nni.choice('w', [4, 8])
        return {'a': norm_conv(3, wide), 'fc': MutableLinear(wide, 2)}
    space = made(parts, lambda self, x: self.fc(self.a(x).mean((2, 3))))
    assert names(space)[-1].startswith('a')


def test_a_classifier_with_a_choice_of_its_own_that_is_no_part_of_the_chain_is_refused():
    space = made(lambda: {'a': choice('a'), 'fc1': MutableLinear(3, nni.choice('hidden', [4, 8]))},
                 lambda self, x: self.fc1(self.a(x).mean((2, 3))))
    with pytest.raises(SpaceError, match="label 'hidden' .*stop running one after another behind 'a'"):
        units_of(space, (3, 8, 8))


@pytest.mark.parametrize('size', [2, 4])
def test_a_space_that_cannot_run_on_such_images_is_refused_with_the_reason(size):
    space = made(lambda: {'a': MutableConv2d(3, 3, 5), 'b': choice('b')})
    with pytest.raises(SpaceError, match=rf'cannot run on images of shape \(3, {size}, {size}\): RuntimeError.*data.image_size'):
        units_of(space, (3, size, size))
    assert names(space, 5) == ['a', 'b']


def test_the_space_is_left_as_it_was():
    space = made(lambda: {'a': choice('a'), 'norm': nn.BatchNorm2d(3)}).train()
    before = repr(space)
    units_of(space, (3, 8, 8))
    assert repr(space) == before and all(module.training for module in space.modules())
    assert not any(module._forward_hooks or module._forward_pre_hooks for module in space.modules())


class Tutorial(ModelSpace):
    """The model space of NNI's own tutorial (hello_nas)."""

    def __init__(self):
        super().__init__()
        self.conv1 = nn.Conv2d(1, 32, 3, 1)
        self.conv2 = LayerChoice([nn.Conv2d(32, 64, 3, 1), nn.Conv2d(32, 64, 3, 1, groups=2)], label='conv2')
        self.dropout1 = nn.Dropout(0.25)
        feature = nni.choice('feature', [64, 128, 256])
        self.fc1 = MutableLinear(9216, feature)
        self.fc2 = MutableLinear(feature, 10)

    def forward(self, x):
        x = functional.relu(self.conv1(x))
        x = functional.max_pool2d(self.conv2(x), 2)
        x = torch.flatten(self.dropout1(x), 1)
        return self.fc2(functional.relu(self.fc1(x)))


def test_the_space_of_nnis_tutorial_is_refused_since_functions_run_between_its_modules():
    with pytest.raises(SpaceError, match=f"label 'conv2' of model space Tutorial: .*behind 'conv1'.*{INSTEAD}"):
        units_of(on_meta(Tutorial), (1, 28, 28))


def test_a_depth_of_nnis_autoformer_is_refused_since_its_tokens_are_no_chain_of_modules():
    space = on_meta(lambda: hub.AutoFormer(search_embed_dim=(96,), search_mlp_ratio=(3., 4.), search_num_heads=(3,),
                                           search_depth=(1, 2)))
    with pytest.raises(SpaceError, match=f"label 'depth' of model space AutoFormer: .*behind 'patch_embed'.*{INSTEAD}"):
        units_of(space, (3, 224, 224))


@pytest.mark.parametrize('make, size, expected', [
    (proxyless, 64, ['stem', *(f'blocks.{index}' for index in range(7)), 'feature_mix_layer', 'global_avg_pooling']),
    (shuffle, 64, ['first_conv', *(f'features.{index}' for index in range(20)), 'conv_last', 'globalpool', 'dropout']),
])
def test_the_units_of_a_hub_space_are_its_own_layers(make, size, expected):
    assert names(on_meta(make), size) == expected


def test_the_units_do_not_depend_on_which_candidates_come_first():
    for order in itertools.permutations((1, 3, 5)):
        space = made(lambda: {'a': choice('a', stride=2, kernels=order), 'b': choice('b', kernels=order)})
        assert [(unit.name, unit.size) for unit in units_of(space, (3, 8, 8))] == [('a', (4, 4)), ('b', (4, 4))]


@pytest.mark.parametrize('make, expected', [
    (lambda: nn.BatchNorm2d(3), True), (lambda: MutableBatchNorm2d(3), True), (lambda: nn.GroupNorm(1, 3), True),
    (lambda: nn.ReLU(inplace=True), True), (lambda: nn.PReLU(3), True), (lambda: nn.Dropout(), True),
    (lambda: seq(nn.BatchNorm2d(3), nn.SiLU()), True), (lambda: nn.Identity(), True), (conv, False),
    (lambda: MutableConv2d(3, 3, 3, padding=1, groups=3), False), (lambda: nn.MaxPool2d(3, 1, 1), False),
    (lambda: nn.AdaptiveAvgPool2d(1), False), (lambda: seq(conv(), nn.BatchNorm2d(3)), False),
])
def test_what_only_normalises_or_activates_is_told_from_what_does_more(make, expected):
    _, unit, _ = units_of(made(lambda: {'a': choice('a'), 'b': make(), 'c': choice('c')}), (3, 8, 8))
    assert (unit.name, unit.pointwise) == ('b', expected)
