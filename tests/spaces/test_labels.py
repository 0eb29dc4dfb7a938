"""Every way to choose within a module: compared with NNI's own freezing of every sample there is."""

import itertools

import nni
import pytest
from torch import nn
from nni.mutable import MutableExpression
from nni.nas.hub import pytorch as hub
from nni.nas.nn.pytorch import LayerChoice, MutableConv2d, MutableDropout, MutableModule, Repeat

from made import choice, conv, made, mobilenet, nni_freezes, norm_conv, on_meta, proxyless, seq, shuffle, width
from nni_dna.errors import SpaceError
from nni_dna.spaces import to_definition
from nni_dna.spaces.labels import choices_of, depths_of, labels_of, merged, structural_labels


class Factor(nn.Module):
    def __init__(self, factor):
        super().__init__()
        self.factor = factor

    def extra_repr(self):
        return str(self.factor)


class OwnChoice(MutableModule):
    """A choice of the user's own, beside one that NNI knows."""

    def __init__(self):
        super().__init__()
        self.factor = nni.choice('own', [2, 3])
        self.add_mutable(self.factor)
        self.inner = choice('inner')

    def freeze(self, sample):
        return seq(Factor(self.factor.freeze(sample)), nni_freezes(self.inner, sample))


def nested():
    return LayerChoice({'plain': conv(), 'more': seq(choice('b'), conv(nni.choice('k', [1, 3, 5]))), 'none': nn.Identity()},
                       label='a')


def one_name_in_two_places():
    """The kernel size of every candidate is one choice, and one candidate has another layer of that size."""
    kernel = nni.choice('k', [1, 3])
    return LayerChoice({'x': conv(kernel), 'y': seq(conv(kernel), conv(kernel), nn.ReLU())}, label='a')


def a_candidate_that_depends_on_its_own_choice():
    out = width('a', {'x': 4, 'y': 6})
    return LayerChoice({'x': conv(3, 3, out), 'y': seq(conv(3, 3, out), conv(nni.choice('k', [1, 3]), out))}, label='a')


def repeat_of_a_depth_in_another(depth):
    return Repeat(lambda index: LayerChoice({'k1': conv(1), 'r': Repeat(lambda i: conv(3 + 2 * i), depth, label='inner')},
                                            label=f'l{index}'), (1, 2), label='outer')


MODULES = {
    'nothing to choose': lambda: seq(conv(), nn.ReLU()),
    'operation': lambda: choice('a', kernels=(1, 3, 5)),
    'operations given as a list': lambda: LayerChoice([conv(1), conv(3)], label='a'),
    'argument': lambda: conv(nni.choice('k', [1, 3, 5])),
    'two arguments': lambda: MutableConv2d(3, nni.choice('w', [4, 8]), nni.choice('k', [1, 3])),
    'two choices in one argument': lambda: MutableConv2d(3, nni.choice('w', [4, 8]) * nni.choice('e', [1, 3]), 1),
    'two layers': lambda: seq(choice('a'), choice('b')),
    'two layers of one choice': lambda: seq(choice('a'), nn.ReLU(), choice('a')),
    'width between two layers': lambda: seq(*(lambda w: [conv(1, 3, w), conv(3, w, 3)])(nni.choice('w', [4, 8]))),
    'nested': nested,
    'nested twice': lambda: LayerChoice({'x': nested(), 'y': seq(conv(7), choice('c'))}, label='top'),
    'one name in two places': one_name_in_two_places,
    'candidate that depends on its own choice': a_candidate_that_depends_on_its_own_choice,
    'depth': lambda: Repeat(lambda index: conv(2 * index + 1), (1, 3), label='d'),
    'depth of a choice each': lambda: Repeat(lambda index: choice(f'a{index}'), (1, 3), label='d'),
    'depth of copies of one choice': lambda: Repeat(choice('a'), (1, 3), label='d'),
    'depth 0': lambda: Repeat(lambda index: choice(f'a{index}'), (0, 2), label='d'),
    'depth that is an expression': lambda: Repeat(lambda index: choice(f'a{index}'), nni.choice('d', [1, 2]) * 2 - 1),
    'depth that is fixed': lambda: Repeat(lambda index: choice(f'a{index}'), 2),
    'depth that is also a kernel size': lambda: (lambda d: Repeat(lambda index: conv(d), d))(nni.choice('d', [1, 3])),
    'depth within a candidate': lambda: repeat_of_a_depth_in_another((1, 2)),
    'depth 0 within a candidate': lambda: repeat_of_a_depth_in_another((0, 1)),
    'choice of the users own': OwnChoice,
    'layer of proxylessnas': lambda: hub.proxylessnas.inverted_residual_choice_builder([3, 6], [3, 5], True, 8, 16, 's')(0),
    'layer of shufflenet': lambda: hub.shufflenet.ShuffleNetBlock(8, 16, nni.choice('c', [4, 8]), kernel_size=3, stride=2),
    'layer of mobilenetv3': lambda: hub.mobilenetv3.InvertedResidual(
        8, 16, nni.choice('e', [1., 3.]), nni.choice('k', [3, 5]), 2,
        lambda hidden, given: LayerChoice({'id': nn.Identity(), 'se': hub.mobilenetv3.SqueezeExcite(hidden)}, label='se')),
}


def module_of(name):
    return made(lambda: {'part': MODULES[name]()}).part


def samples(values):
    """Every assignment of the labels, with those that it leaves without effect."""
    return [dict(zip(values, combination)) for combination in itertools.product(*values.values())]


def written(module, sample):
    return repr(nni_freezes(module, sample))


@pytest.mark.parametrize('name', MODULES)
def test_the_choices_are_the_different_networks_that_nni_freezes(name):
    module = module_of(name)
    values = labels_of(module)
    choices = choices_of(module, values, {})
    networks = [written(module, choice) for choice in choices]
    assert set(networks) == {written(module, sample) for sample in samples(values)}
    assert len(set(networks)) == len(networks)


@pytest.mark.parametrize('name', MODULES)
def test_every_sample_is_covered_by_the_one_choice_that_freezes_as_it_does(name):
    module = module_of(name)
    values = labels_of(module)
    choices = choices_of(module, values, {})
    for sample in samples(values):
        fitting = [choice for choice in choices if choice.items() <= sample.items()]
        assert len(fitting) == 1
        assert written(module, fitting[0]) == written(module, sample)


@pytest.mark.parametrize('name', MODULES)
def test_a_restriction_keeps_the_choices_that_it_allows_in_their_order(name):
    module = module_of(name)
    values = labels_of(module)
    whole = choices_of(module, values, {})
    for kept in (slice(None, 1), slice(1, None), slice(None, None, 2)):
        restricted = {label: listed[kept] or listed for label, listed in values.items()}
        assert choices_of(module, restricted, {}) == [
            choice for choice in whole if all(value in restricted[label] for label, value in choice.items())]


@pytest.mark.parametrize('name', MODULES)
def test_with_a_choice_that_is_made_the_choices_are_the_rest_of_those_that_agree_with_it(name):
    module = module_of(name)
    values = labels_of(module)
    whole = choices_of(module, values, {})
    for label in values:
        for value in values[label]:
            rest = choices_of(module, values, {label: value})
            expected = []
            for found in whole:
                left = {key: other for key, other in found.items() if key != label}
                if found.get(label, value) == value and left not in expected:
                    expected.append(left)
            assert rest == expected


@pytest.mark.parametrize('make, part', [(proxyless, 'blocks.1'), (proxyless, 'blocks.6'), (mobilenet, 'blocks.0'),
                                        (mobilenet, 'blocks.2'), (shuffle, 'features.0')])
def test_the_choices_of_a_stage_of_a_hub_space_are_as_many_as_it_has_networks(make, part):
    space = on_meta(make)
    module = space.get_submodule(part)
    choices = choices_of(module, labels_of(module), {})
    assert len({tuple(sorted(choice.items())) for choice in choices}) == len(choices)
    expected = {'blocks.1': 6 + 6**2 + 6**3 + 6**4, 'blocks.6': 6, 'blocks.0': 3, 'features.0': 4,
                'blocks.2': 12 + 12**2}[part]  # of mobilenetv3: two expansions, three kernels, and whether to squeeze
    assert len(choices) == expected
    for chosen in choices[::max(1, len(choices) // 20)]:
        nni_freezes(module, chosen)  # raises where a label is missing
        with pytest.raises(Exception, match='not found|KeyError|missing'):
            nni_freezes(module, dict(list(chosen.items())[1:]))


def test_an_expression_that_ignores_a_label_for_some_values_keeps_it():
    def make():
        first, second = nni.choice('first', [1, 2]), nni.choice('second', [4, 8])
        return MutableConv2d(3, MutableExpression.condition(first < 2, 4, second), 1)
    module = made(lambda: {'part': make()}).part
    assert choices_of(module, labels_of(module), {}) == samples(labels_of(module))


def test_labels_come_in_the_order_of_the_modules_with_their_values():
    space = made(lambda: {'a': seq(conv(nni.choice('z', [5, 1])), choice('y')), 'b': Repeat(lambda i: conv(), (2, 3), label='x')})
    assert list(labels_of(space).items()) == [('z', [5, 1]), ('y', ['k1', 'k3']), ('x', [2, 3])]
    assert labels_of(space.a) == {'z': [5, 1], 'y': ['k1', 'k3']}
    assert labels_of(conv()) == {}


def test_labels_that_pick_an_operation_or_a_depth_are_told_from_sizes():
    def parts():
        depth = nni.choice('d', [1, 2])
        return {'a': choice('op'), 'b': norm_conv(3, nni.choice('w', [4, 8]) * nni.choice('e', [1, 2])),
                'c': Repeat(lambda index: conv(nni.choice(f'k{index}', [1, 3]), 8, 8), depth + nni.choice('more', [0, 1]))}
    space = made(parts)
    assert structural_labels(space) == {'op', 'd', 'more'}
    assert structural_labels(space.b) == set()


def test_a_depth_is_what_nni_freezes_it_to():
    depth = made(lambda: {'part': Repeat(lambda index: conv(), nni.choice('d', [1, 2]) * nni.choice('e', [1, 3]))}).part
    found = depths_of(depth, labels_of(depth), {})
    assert [choice for choice, _ in found] == samples(labels_of(depth))
    for chosen, number in found:
        assert len(nni_freezes(depth, chosen)) == number
    assert depths_of(depth, labels_of(depth), {'d': 2}) == [({'d': 2, 'e': 1}, 2), ({'d': 2, 'e': 3}, 6)]


def test_choices_are_joined_where_they_agree():
    left, right = [{'a': 1}, {'a': 2, 'b': 1}], [{'b': 1, 'c': 1}, {'b': 2}, {'a': 2, 'c': 3}]
    expected = [{**a, **b} for a in left for b in right if all(a[key] == b[key] for key in a.keys() & b.keys())]
    assert merged(left, right) == expected
    assert len(expected) == 4


@pytest.mark.parametrize('make', [lambda: MutableDropout(nni.uniform('p', 0, 1)), lambda: MutableDropout(nni.normal('p', 0, 1)),
                                  lambda: MutableConv2d(3, nni.quniform('p', 8, 64, 8), 1)])
def test_a_numeric_range_is_no_choice_among_listed_values(make):
    with pytest.raises(SpaceError, match=r"label 'p': expected a choice of one among listed values.*nni.choice\(label"):
        labels_of(made(lambda: {'part': make()}))


@pytest.mark.parametrize('make', [
    lambda: seq(conv(nni.choice('k', [1, 3])), conv(nni.choice('k', [1, 5]))),
    lambda: seq(choice('k'), choice('k', kernels=(1, 5))),
    lambda: seq(conv(nni.choice('k', [1, 3])), Repeat(lambda index: conv(), nni.choice('k', [1, 2]))),
], ids=['sizes', 'operations', 'a size and a depth'])
def test_two_choices_of_one_label_that_differ_are_refused(make):
    space = made(lambda: {'part': make()})
    with pytest.raises(SpaceError, match="label 'k': two choices have this label, one among .*; give each its own label"):
        labels_of(space)
    with pytest.raises(SpaceError, match='Made: Mutables have the same label k but are different'):
        to_definition(space)


def test_the_labels_of_a_hub_space_are_those_that_nni_lists():
    for make in (proxyless, mobilenet, lambda: shuffle(channel_search=True)):
        space = on_meta(make)
        assert labels_of(space) == {label: list(mutable.values) for label, mutable in space.simplify().items()}
        assert list(labels_of(space)) == list(space.simplify())


@pytest.mark.parametrize('make', [
    lambda: seq(*(choice(f'a{index}') for index in range(15))),
    lambda: Repeat(lambda index: choice(f'a{index}'), (1, 14), label='d'),
    lambda: seq(*(choice(f'a{index}') for index in range(200))),
], ids=['too many', 'too many in all depths', 'far too many'])
def test_a_layer_of_too_many_choices_is_refused_before_they_are_listed(make):
    module = made(lambda: {'part': make()}).part
    with pytest.raises(SpaceError, match='too many.*nn.Sequential.*restrict the values of its labels'):
        choices_of(module, labels_of(module), {})
