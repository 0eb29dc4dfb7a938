"""A path of a supernet computes what the plain network of that path computes with the same weights."""

import itertools

import nni
import pytest
import torch
from torch import nn
from nni.nas.nn.pytorch import LayerChoice, MutableBatchNorm2d, MutableConv2d, Repeat

import toys
from made import Made, choice, conv, listed, mobilenet, norm_conv, on_meta, proxyless, seq, short_mobilenet, shuffle
from plain_paths import DIGITS_SUPERNETS, TOY_SUPERNETS, Case, assert_paths_agree, depth_and_width
from nni_dna.errors import SpaceError


@pytest.mark.parametrize('block, name', TOY_SUPERNETS)
def test_every_path_of_the_toy_space_computes_what_its_plain_network_computes(toy, block, name):
    assert_paths_agree(toy, block, name, None)


@pytest.mark.parametrize('block, name', DIGITS_SUPERNETS)
def test_paths_of_the_digits_space_compute_what_their_plain_network_computes(digits, block, name):
    assert_paths_agree(digits, block, name)


@pytest.mark.parametrize('definition, block, name', [
    (listed(b1=['k3']), 0, 'deep'),
    (listed(cell=['deep'], b2=['k3']), 0, 'deep'),
    (listed(cell=['shallow'], c1=['k3']), 1, 'only'),
    (listed(cell=['deep']), 1, 'only'),
], ids=['option', 'cell and option', 'behind the narrow cell', 'behind the wide cell'])
def test_the_paths_of_a_restricted_chain_are_those_of_the_restriction(definition, block, name):
    assert_paths_agree(Case(toys.Space, definition=definition), block, name, None)


@pytest.mark.parametrize('block', [0, 1])
def test_depths_and_widths_compute_what_their_plain_networks_compute(block):
    case = Case(lambda: Made(depth_and_width))
    assert [len(found.cells) for found in case.chain.blocks] == [6, 6]
    assert_paths_agree(case, block)


def expansions():
    """Depthwise convolutions of a width that is a product of choices, one of them handed on."""
    given, expand = nni.choice('w', [4, 6]), nni.choice('e', [1, 2, 3])
    hidden = given * expand
    return {'a': norm_conv(3, given, 3, 2),
            'b': seq(norm_conv(given, hidden, 1), norm_conv(hidden, hidden, nni.choice('k', [3, 5]), 2, groups=hidden),
                     norm_conv(hidden, 8, 1))}


def test_depthwise_convolutions_of_a_width_that_is_a_product_of_choices_compute_what_their_plain_networks_compute():
    case = Case(lambda: Made(expansions), ends=['a', 'b'])
    assert [dict(cell.choice) for cell in case.chain.blocks[1].cells] == [{'e': 1}, {'e': 2}, {'e': 3}]
    assert_paths_agree(case, 0)
    assert_paths_agree(case, 1)


def test_copies_of_one_choice_in_a_repeat_compute_what_their_plain_networks_compute():
    assert_paths_agree(Case(lambda: Made(lambda: {'a': conv(stride=2), 'b': Repeat(choice('op'), (1, 3), label='d')})), 0,
                       paths=None)


def test_nested_choices_compute_what_their_plain_networks_compute():
    def parts():
        inner = LayerChoice({'x': conv(), 'y': norm_conv(3, 3, nni.choice('k', [1, 3]))}, label='b')
        return {'a': LayerChoice({'plain': conv(), 'nested': Holder(inner, conv())}, label='a'), 'c': choice('c', stride=2)}
    case = Case(lambda: Made(parts), ends=['c'])
    assert case.chain.blocks[0].cells[0].radix == (4, 2)
    assert_paths_agree(case, 0, paths=None)


@pytest.mark.parametrize('depth', [(0, 2), (1, 2)])
def test_a_depth_within_a_candidate_computes_what_its_plain_network_computes(depth):
    def parts():
        inner = Repeat(lambda index: choice(f'r{index}'), depth, label='d')
        return {'a': LayerChoice({'plain': conv(), 'deep': Holder(inner, conv())}, label='a'), 'c': choice('c', stride=2)}
    case = Case(lambda: Made(parts), ends=['c'])
    assert case.chain.blocks[0].cells[0].radix == ({(0, 2): 1 + 1 + 2 + 4, (1, 2): 1 + 2 + 4}[depth], 2)
    assert_paths_agree(case, 0, paths=None)


@pytest.mark.parametrize('options', [{'affine': False}, {'track_running_stats': False}, {'eps': 1e-2, 'momentum': 0.3},
                                     {'affine': False, 'track_running_stats': False}])
def test_a_batch_norm_of_a_chosen_width_computes_what_its_plain_network_computes_however_it_is_made(options):
    def parts():
        inner = nni.choice('w', [4, 8])
        return {'a': seq(conv(3, 3, inner), MutableBatchNorm2d(inner, **options)), 'b': conv(1, inner, 4)}
    assert_paths_agree(Case(lambda: Made(parts)), 0)


@pytest.mark.parametrize('make', [
    lambda: MutableConv2d(3, 4, nni.choice('k', [(3, 3), (5, 5), (1, 3)]), padding='same'),
    lambda: MutableConv2d(3, 4, nni.choice('k', [1, 3, 5]), padding='same'),
    lambda: MutableConv2d(3, 4, nni.choice('k', [2, 4]), padding='same'),
    lambda: (lambda rate: MutableConv2d(3, 4, 3, padding=rate, dilation=rate))(nni.choice('d', [1, 2])),
    lambda: MutableConv2d(3, 6, 3, groups=nni.choice('g', [1, 3])),
    lambda: LayerChoice([nn.Conv2d(3, 4, 1), seq(nn.Conv2d(3, 4, 3, padding=1), nn.BatchNorm2d(4))], label='a'),
], ids=['kernels of two sides', 'kernels with same padding', 'even kernels', 'dilations', 'groups', 'modules of torch'])
def test_other_arguments_of_a_convolution_compute_what_their_plain_network_computes(make):
    assert_paths_agree(Case(lambda: Made(lambda: {'a': make()})), 0, paths=None)


@pytest.mark.parametrize('parts, message', [
    (lambda: {'a': MutableConv2d(3, 4, nni.choice('k', [(1, 3), (3, 1)]), padding='same')},
     r'kernel sizes \(1, 3\), \(3, 1\) out of one kernel.*LayerChoice'),
    (lambda: (lambda kernel: {'a': MutableConv2d(3, 4, kernel, padding=kernel // 2, padding_mode='reflect')})(
        nni.choice('k', [1, 3])), "padding_mode 'reflect' whose padding is a choice.*LayerChoice"),
    (lambda: (lambda inner: {'a': conv(3, 3, inner), 'b': MutableBatchNorm2d(inner, momentum=None), 'c': conv(3, inner, 4)})(
        nni.choice('w', [4, 8])), 'momentum=None.*give it a momentum'),
    (lambda: {'a': MutableConv2d(3, 4, 1, bias=nni.choice('bias', [True, False]))}, 'block1: Unsupported mutable argument.*bias'),
], ids=['kernels across each other', 'padding mode', 'cumulative statistics', 'bias'])
def test_what_nnis_supermodules_would_compute_otherwise_is_refused(parts, message):
    with pytest.raises(SpaceError, match=message):
        Case(lambda: Made(parts)).supernet(0)


class Holder(nn.Module):
    """Adds what it is given to what two layers make of it."""

    def __init__(self, first, second):
        super().__init__()
        self.first, self.second = first, second

    def forward(self, x):
        return x + self.second(self.first(x))


def test_a_residual_of_the_users_own_around_a_choice_computes_what_its_plain_network_computes():
    case = Case(lambda: Made(lambda: {'a': choice('a', stride=2), 'b': Holder(choice('b'), choice('c'))}))
    assert case.chain.blocks[0].cells[0].radix == (2, 4)
    assert_paths_agree(case, 0, paths=None)


@pytest.mark.parametrize('block', range(4))
def test_paths_of_proxylessnas_compute_what_their_plain_networks_compute(block):
    case = Case(lambda: proxyless((4, 4, 4, 4, 4, 4, 4, 4, 8)), 64, max_paths=2000, definition=listed(
        s2_depth=[1, 2], s3_depth=[2, 4], s4_depth=[1, 3], s5_depth=[1, 2], s6_depth=[1]))
    assert_paths_agree(case, block, paths=4)


@pytest.mark.parametrize('block', range(4))
def test_paths_of_mobilenetv3_with_widths_compute_what_their_plain_networks_compute(block):
    assert_paths_agree(Case(short_mobilenet, 32), block, paths=4)


def test_paths_of_mobilenetv3_behind_a_restricted_width_compute_what_their_plain_networks_compute():
    case = Case(lambda: short_mobilenet((0.5, 0.75, 1.0)), 32, definition=listed(s0_width_mult=[0.5], s1_width_mult=[0.5, 0.75]))
    assert_paths_agree(case, 1, paths=4)


def test_paths_of_mobilenetv3_with_optional_squeezing_compute_what_their_plain_networks_compute():
    case = Case(mobilenet, 64)
    assert_paths_agree(case, 2, paths=12)


def test_paths_of_shufflenet_with_its_channels_compute_what_their_plain_networks_compute():
    def make():
        return shuffle(channel_search=True)
    channels = {label: choice.values for label, choice in on_meta(make).simplify().items() if 'channel' in label}
    case = Case(make, 32, definition=listed(**{label: values[:1] for label, values in channels.items() if label > 'channel_4'}))
    assert_paths_agree(case, 0, paths=20)


def test_cells_of_one_supernet_share_the_weights_of_their_layers():
    case = Case(lambda: Made(depth_and_width))
    supernet = case.supernet(0)
    names = [[layer.name for layer in cell.layers] for cell in case.chain.blocks[0].cells]
    modules = {}
    for steps, layers in zip(supernet.steps, names):
        for module, name in zip(steps[1:-1], layers):
            assert modules.setdefault(name, module) is module
    assert len(set(modules.values())) == len(modules) == len(set(itertools.chain(*names)))


def test_kernels_chosen_within_a_layer_are_the_centres_of_one_kernel():
    case = Case(lambda: Made(lambda: {'a': conv(nni.choice('k', [1, 3, 5]), 3, 4)}))
    supernet = case.supernet(0)
    weight, bias = supernet.steps[0][1].weight, supernet.steps[0][1].bias
    assert weight.shape[-2:] == (5, 5)
    x = case.input(0)
    for option, kernel in enumerate((1, 3, 5)):
        margin = (5 - kernel) // 2
        centre = weight[:, :, margin:5 - margin, margin:5 - margin]
        expected = nn.functional.conv2d(x, centre, bias, padding=kernel // 2)
        assert torch.allclose(supernet(x, 0, (option,)), expected, atol=1e-6)
