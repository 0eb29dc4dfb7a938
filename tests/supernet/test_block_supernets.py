"""A path of a supernet computes what the plain network of that path computes with the same weights."""

import copy
import itertools

import nni
import numpy as np
import pytest
import torch
from torch import nn
from nni.nas.nn.pytorch import (
    LayerChoice, ModelSpace, MutableBatchNorm2d, MutableConv2d, MutableDropout, MutableModule, Repeat)
from nni.nas.oneshot.pytorch.supermodule.base import BaseSuperNetModule

import toys
from made import (Made, choice, conv, listed, mobilenet, nni_freezes, norm_conv, on_meta, proxyless, read, seq, short_mobilenet,
                  shuffle, width)
from nni_dna.cost import border_shapes
from nni_dna.errors import SpaceError
from nni_dna.spaces import build_space
from nni_dna.supernet import DNAMutator


class Case:
    """A model space twice: without memory to read its chain, and with weights to make supernets of."""

    def __init__(self, make, size=16, **options):
        on_paper = on_meta(make)
        self.chain = read(on_paper, size, **options)
        self.shapes = border_shapes(on_paper, self.chain, (3, size, size))
        torch.manual_seed(0)
        self.space = make()

    def supernet(self, block, name='only', mutator=None, **options):
        """With nothing at its borders, unless told otherwise."""
        options = {'entry': nn.Identity(), 'exits': [nn.Identity()], **options}
        return (mutator or DNAMutator()).supernet(self.space, self.chain, block=block, name=name, **options)

    def cells(self, block, name):
        return [cell for cell in self.chain.blocks[block].cells if cell.supernet == name]

    def plain(self, supernet, block, cell, path):
        """The network that NNI freezes for a path, with the weights of the supernet."""
        own = self.chain.blocks[block]
        sample = {**own.incoming, **cell.architecture(path)}
        index = self.cells(block, cell.supernet).index(cell)
        network = nn.Sequential()
        for layer, mutated in zip(cell.layers, supernet.steps[index][1:-1]):
            original = self.space.get_submodule(layer.name)
            plain = nni_freezes(original, sample)
            copy_weights(original, mutated, plain, sample)
            network.append(plain)
        return network

    def input(self, block, images=3):
        shape = self.shapes.inputs[block][-1] if block else next(iter(self.shapes.inputs[0]))
        return torch.randn(images, *shape, generator=torch.Generator().manual_seed(7))


def copy_weights(original, mutated, plain, sample):
    """Give a frozen module the weights that its supermodule has for it: the first channels, and the centre of a kernel."""
    if isinstance(original, LayerChoice):
        copy_weights(original[sample[original.label]], mutated[sample[original.label]], plain, sample)
    elif isinstance(original, Repeat):
        for index, block in enumerate(plain):
            copy_weights(original.blocks[index], mutated.blocks[index], block, sample)
    else:
        for name, tensor in itertools.chain(plain._parameters.items(), plain._buffers.items()):
            if tensor is not None:
                tensor.data.copy_(sliced(getattr(mutated, name), tensor.shape))
        for name, child in plain.named_children():
            copy_weights(original.get_submodule(name), mutated.get_submodule(name), child, sample)


def sliced(tensor, shape):
    assert all(whole >= part for whole, part in zip(tensor.shape, shape))
    for dimension, (whole, part) in enumerate(zip(tensor.shape, shape)):
        tensor = tensor.narrow(dimension, (whole - part) // 2 if dimension >= 2 else 0, part)
    return tensor


def randomise(module):
    """Weights and statistics that differ from channel to channel."""
    generator = torch.Generator().manual_seed(3)
    for tensor in itertools.chain(module.parameters(), module.buffers()):
        if tensor.is_floating_point():
            with torch.no_grad():
                tensor.copy_(torch.rand(tensor.shape, generator=generator) + 0.5 if tensor.ndim == 1 else
                             torch.randn(tensor.shape, generator=generator) / tensor[0].numel()**0.5)


def statistics(network):
    return [buffer for name, buffer in network.named_buffers() if 'running' in name]


def assert_paths_agree(case, block, name='only', paths=6, seed=0):
    """Compare random paths, or all of them, of every cell of a supernet, in training and in evaluation."""
    supernet = case.supernet(block, name)
    randomise(supernet)
    x, rng = case.input(block), np.random.default_rng(seed)
    for index, cell in enumerate(case.cells(block, name)):
        assert supernet.radix[index] == (1, *cell.radix, 1)
        chosen = range(cell.paths) if paths is None or cell.paths <= paths else \
            [0, cell.paths - 1, *rng.integers(0, cell.paths, paths - 2).tolist()]
        for path in chosen:
            plain = case.plain(supernet, block, cell, path)
            for mode in (False, True):  # first with the running statistics, then with the batch's
                supernet.train(mode)
                plain.train(mode)
                for part in itertools.chain(supernet.modules(), plain.modules()):
                    if isinstance(part, nn.Dropout):
                        part.eval()
                with torch.no_grad():
                    expected = plain(x.clone())
                    found = supernet(x, index, cell.digits(path))
                assert found.shape == expected.shape
                assert torch.allclose(found, expected, rtol=1e-4, atol=1e-4 * float(expected.abs().max()))
            # training moved the statistics of the supernet as those of the plain network
            again = case.plain(supernet, block, cell, path)
            assert all(torch.allclose(a, b, rtol=1e-4, atol=1e-4) for a, b in zip(statistics(again), statistics(plain)))


@pytest.fixture(scope='module')
def digits():
    return Case(lambda: build_space('digits', {}, num_classes=10), 32)


@pytest.fixture
def toy():
    return Case(toys.Space)


TOY_SUPERNETS = [(0, 'shallow'), (0, 'deep'), (1, 'only')]
DIGITS_SUPERNETS = [(0, '2x4'), (0, '2x8'), (1, '1x16'), (1, '2x4'), (1, '2x16'), (2, '1x24'), (2, '2x8'), (2, '2x24')]


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


# Depths and widths, whose cells share weights

def depth_and_width():
    inner, out = nni.choice('w', [4, 6]), nni.choice('out', [5, 8])
    return {'stem': conv(nni.choice('s', [3, 5]), 3, 3, 2),
            'a': Repeat(lambda index: LayerChoice({'k1': norm_conv(inner if index else 3, inner, 1),
                                                   'k5': norm_conv(inner if index else 3, inner, 5)}, label=f'a{index}'),
                        (1, 3), label='d'),
            'b': seq(norm_conv(inner, out, nni.choice('kb', [1, 3, 5]), 2), choice('b', out, out)),
            'c': Repeat(lambda index: norm_conv(out, out, nni.choice(f'c{index}', [1, 3])), (0, 2), label='e')}


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


# Borders, gradients, and what is left alone

def test_entry_and_exit_run_around_the_layers(toy):
    entry, exit = nn.Conv2d(5, 6, 1), nn.Conv2d(8, 7, 1)
    supernet = toy.supernet(1, entry=entry, exits=[exit])
    plain = toy.plain(supernet, 1, toy.chain.blocks[1].cells[0], 2)
    x = torch.randn(2, 5, 8, 8)
    assert torch.equal(supernet(x, 0, (1, 0)), exit(plain(entry(x))))
    assert supernet.steps[0][0] is entry and supernet.steps[0][-1] is exit


def test_each_cell_has_the_exit_of_its_width():
    case = Case(lambda: Made(depth_and_width))
    exits = [nn.Conv2d(4, 7, 1), nn.Conv2d(6, 7, 1)]
    cells = case.chain.blocks[0].cells
    number = [(4, 6).index(cell.choice['w']) for cell in cells]
    supernet = case.supernet(0, exits=exits, exit_of=number)
    bare = case.supernet(0)
    bare.layers.load_state_dict(supernet.layers.state_dict())
    x = case.input(0)
    for index in range(len(cells)):
        path = [0] * (len(supernet.steps[index]) - 2)
        assert torch.allclose(supernet(x, index, path), exits[number[index]](bare(x, index, path)), atol=1e-6)


@pytest.mark.parametrize('path', list(itertools.product(range(2), range(2))))
def test_only_the_weights_of_the_chosen_path_get_gradients(toy, path):
    supernet = toy.supernet(1, entry=nn.Conv2d(5, 6, 1), exits=[nn.Conv2d(8, 7, 1)])
    supernet(torch.randn(2, 5, 8, 8), 0, path).square().sum().backward()
    candidates = [f'layers.{layer}.k{(1, 3)[option]}.' for layer, option in enumerate(path)]
    expected = {name for name, _ in supernet.named_parameters()
                if name.startswith(('entry.', 'exits.', *candidates))}
    assert {name for name, weight in supernet.named_parameters() if weight.grad is not None} == expected
    assert 0 < len(expected) < len(list(supernet.parameters()))


def test_only_the_channels_and_the_kernel_of_the_chosen_path_get_gradients():
    case = Case(lambda: Made(widths_and_kernel))
    supernet = case.supernet(0)
    cells = case.chain.blocks[0].cells
    assert [dict(cell.choice) for cell in cells] == [{'w': 4}, {'w': 8}]
    supernet(case.input(0), 0, (0, 0)).square().sum().backward()
    first, second = (step.weight.grad for step in supernet.steps[0][1:3])
    assert (first[:4] != 0).all() and (first[4:] == 0).all()
    assert (second[:, :4, 1, 1] != 0).all() and second.count_nonzero() == second[:, :4, 1, 1].numel()


def widths_and_kernel():
    inner = nni.choice('w', [4, 8])
    return {'a': conv(3, 3, inner), 'b': conv(nni.choice('k', [1, 3]), inner, 5)}


def test_all_weights_of_a_supernet_belong_to_some_path(digits):
    supernet = digits.supernet(2, '2x24')
    for option in range(6):
        supernet(digits.input(2), 0, (option, option)).square().sum().backward()
    assert all(weight.grad is not None for weight in supernet.parameters())


@pytest.mark.parametrize('block, name', DIGITS_SUPERNETS)
def test_the_model_space_is_not_changed(digits, block, name):
    space = digits.space
    text, weights = repr(space), {key: tensor.clone() for key, tensor in space.state_dict().items()}
    supernet = digits.supernet(block, name)
    with torch.no_grad():
        for weight in supernet.parameters():
            weight.fill_(3)
    assert repr(space) == text
    assert space.state_dict().keys() == weights.keys()
    assert all(torch.equal(tensor, weights[key]) for key, tensor in space.state_dict().items())
    assert not any(isinstance(module, BaseSuperNetModule) for module in space.modules())


def test_two_supernets_of_one_space_share_no_weights(toy):
    first, second = toy.supernet(0, 'deep'), toy.supernet(0, 'deep')
    assert not {id(weight) for weight in first.parameters()} & {id(weight) for weight in second.parameters()}


def test_the_input_is_left_as_it_was():
    case = Case(lambda: Made(lambda: {'a': LayerChoice({'x': nn.ReLU(inplace=True), 'y': nn.Hardswish(inplace=True)}, label='a'),
                                      'b': choice('b')}))
    x = case.input(0)
    before = x.clone()
    case.supernet(0)(x, 0, (0, 0))
    assert torch.equal(x, before)


def test_the_first_layer_has_the_width_of_the_last_cell_before(toy):
    supernet = toy.supernet(1)
    assert {part.in_channels for part in supernet.steps[0][1].modules() if isinstance(part, nn.Conv2d)} == {6}
    narrow = Case(toys.Space, definition=listed(cell=['shallow'])).supernet(1)
    assert {part.in_channels for part in narrow.steps[0][1].modules() if isinstance(part, nn.Conv2d)} == {4}


def test_a_layer_with_a_choice_of_its_own_beside_the_border_width_takes_that_width():
    def parts():
        return {'a': LayerChoice({'x': seq(choice('ax', 3, 4)), 'y': seq(choice('ay', 3, 6))}, label='cell'),
                'b': conv(nni.choice('k', [1, 3]), width('cell', {'x': 4, 'y': 6}), 8, 2)}
    case = Case(lambda: Made(parts))
    supernet, x = case.supernet(1), case.input(1)
    assert x.shape[1] == 6
    for _ in range(10):
        assert [supernet(x, 0, (option,)).shape[1] for option in range(2)] == [8, 8]
    assert torch.equal(supernet(x, 0, (0,)), supernet(x, 0, (0,)))


def test_modules_without_an_open_choice_become_plain_modules():
    case = Case(lambda: Made(depth_and_width), definition=listed(w=[4], out=[8], kb=[3]))
    for block in (0, 1):
        mixed = [part for part in case.supernet(block).modules() if isinstance(part, BaseSuperNetModule)]
        open_labels = [part.simplify().keys() - {'w', 'out', 'kb'} for part in mixed]
        assert all(open_labels)
        assert set().union(*open_labels) == ({'s', 'a0', 'a1', 'a2'}, {'b', 'c0', 'c1'})[block]


@pytest.mark.parametrize('path', [(), (0,), (0, 0, 0)])
def test_a_path_takes_one_option_per_layer(toy, path):
    with pytest.raises(ValueError, match=f'one option for each of 2 layers, got {len(path)}'):
        toy.supernet(1)(toy.input(1), 0, path)


# Choices of the user's own

class Scale(nn.Module):
    def __init__(self, factor):
        super().__init__()
        self.factor = factor

    def forward(self, x):
        return x * self.factor


class ScaleChoice(MutableModule):
    """A choice of the user's own, which NNI does not know."""

    def __init__(self, label, factors):
        super().__init__()
        self.factor = nni.choice(label, factors)
        self.add_mutable(self.factor)

    def freeze(self, sample):
        return Scale(self.factor.freeze(sample))

    def forward(self, x):
        return x * self.factor.default()


class ScaleSampling(BaseSuperNetModule):
    """Its supermodule: scales by the factor that was chosen, times a weight."""

    def __init__(self, label):
        super().__init__()
        self.label = label
        self.weight = nn.Parameter(torch.ones(()))
        self.chosen = None

    def resample(self, memo):
        self.chosen = memo[self.label]
        return {self.label: self.chosen}

    def forward(self, x):
        return x * self.weight * self.chosen

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
        return [ScaleSampling.mutate]


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
    assert_scaled(case, case.supernet(0, mutator=DNAMutator(mutation_hooks=[ScaleSampling.mutate])))


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


def test_a_copy_of_a_supernet_is_one_of_its_own(toy):
    supernet = toy.supernet(0, 'deep')
    other = copy.deepcopy(supernet)
    x = toy.input(0)
    expected = supernet(x, 0, (0, 1)).detach()
    with torch.no_grad():
        for weight in other.parameters():
            weight.zero_()
    other(x, 0, (1, 0))
    assert torch.equal(supernet(x, 0, (0, 1)), expected)
