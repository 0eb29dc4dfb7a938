"""A path of a supernet computes what the plain network of that path computes with the same weights."""

import copy
import itertools

import nni
import numpy as np
import pytest
import torch
from torch import nn
from nni.mutable import MutableExpression
from nni.nas.nn.pytorch import LayerChoice, ModelSpace, MutableConv2d, MutableModule
from nni.nas.oneshot.pytorch.supermodule.base import BaseSuperNetModule

import toys
from nni_dna.spaces import build_space, read_chain, restrict
from nni_dna.spaces.freezing import freeze
from nni_dna.supernet import DNAMutator

TOY_CELLS = [(0, 0), (0, 1), (1, 0)]
DIGITS_CELLS = [(0, 0), (0, 1), (1, 0), (1, 1), (1, 2), (2, 0), (2, 1), (2, 2)]
DIGITS_WIDTHS = [8, 8, 16]  # of the stem, and of the last cell of blocks 1 and 2


def bare(space, chain, block, cell):
    """The supernet of a cell with nothing at its borders."""
    return DNAMutator().supernet(space, chain, block=block, cell=cell, entry=nn.Identity(), exit=nn.Identity())


def plain_cell(space, chain, block, cell, path, supernet):
    """The frozen cell of a path with the weights of the supernet's chosen candidates."""
    own = chain.blocks[block].cells[cell]
    border = chain.blocks[block - 1].cells[-1].choice if block else {}
    plain = freeze(space.get_submodule(chain.blocks[block].module), {**border, **own.architecture(path)})
    for position, (layer, option) in enumerate(zip(own.layers, own.digits(path))):
        (name,) = layer.options[option].values()
        plain[position].load_state_dict(supernet.steps[position + 1].get_submodule(name).state_dict())
    return plain


def assert_paths_agree(space, chain, block, cell, channels, size, paths):
    supernet = bare(space, chain, block, cell)
    own = chain.blocks[block].cells[cell]
    x = torch.randn(3, channels, size, size, generator=torch.Generator().manual_seed(7))
    for path in paths:
        plain = plain_cell(space, chain, block, cell, path, supernet)
        for mode in (True, False):  # with the batch's statistics, then with the running ones
            supernet.train(mode)
            plain.train(mode)
            with torch.no_grad():
                assert torch.equal(supernet(x, own.digits(path)), plain(x))


@pytest.fixture(scope='module')
def digits():
    torch.manual_seed(0)
    return build_space('digits', {}, num_classes=10)


@pytest.fixture
def toy():
    torch.manual_seed(0)
    return toys.Space()


def listed(**labels):
    return {label: {'_type': 'choice', '_value': values} for label, values in labels.items()}


@pytest.mark.parametrize('block, cell', TOY_CELLS)
def test_every_path_of_the_toy_space_computes_what_its_plain_network_computes(toy, block, cell):
    chain = read_chain(toy)
    paths = range(chain.blocks[block].cells[cell].paths)
    assert_paths_agree(toy, chain, block, cell, (3, 6)[block], 16, paths)


@pytest.mark.parametrize('block, cell', DIGITS_CELLS)
def test_paths_of_the_digits_space_compute_what_their_plain_network_computes(digits, block, cell):
    chain = read_chain(digits)
    last = chain.blocks[block].cells[cell].paths - 1
    paths = [0, last, *np.random.default_rng(block + cell).integers(0, last, 6).tolist()]
    assert_paths_agree(digits, chain, block, cell, DIGITS_WIDTHS[block], 8, paths)


@pytest.mark.parametrize('definition, block, cell, channels', [
    (listed(b1=['k3']), 0, 1, 3),
    (listed(cell=['deep'], b2=['k3']), 0, 0, 3),
    (listed(cell=['shallow'], c1=['k3']), 1, 0, 4),
    (listed(cell=['deep']), 1, 0, 6),
], ids=['option', 'cell and option', 'behind the narrow cell', 'behind the wide cell'])
def test_the_paths_of_a_restricted_chain_are_those_of_the_restriction(toy, definition, block, cell, channels):
    chain = restrict(read_chain(toy), definition)
    own = chain.blocks[block].cells[cell]
    assert bare(toy, chain, block, cell).radix == (1, *own.radix, 1)
    assert_paths_agree(toy, chain, block, cell, channels, 16, range(own.paths))


def test_entry_and_exit_run_around_the_cell(toy):
    chain = read_chain(toy)
    entry, exit = nn.Conv2d(5, 6, 1), nn.Conv2d(8, 7, 1)
    supernet = DNAMutator().supernet(toy, chain, block=1, cell=0, entry=entry, exit=exit)
    plain = plain_cell(toy, chain, 1, 0, 2, supernet)
    x = torch.randn(2, 5, 8, 8)
    assert torch.equal(supernet(x, (1, 0)), exit(plain(entry(x))))
    assert supernet.steps[0] is entry and supernet.steps[-1] is exit


@pytest.mark.parametrize('path', itertools.product(range(2), range(2)))
def test_only_the_weights_of_the_chosen_path_get_gradients(toy, path):
    chain = read_chain(toy)
    supernet = DNAMutator().supernet(toy, chain, block=1, cell=0, entry=nn.Conv2d(5, 6, 1), exit=nn.Conv2d(8, 7, 1))
    supernet(torch.randn(2, 5, 8, 8), path).square().sum().backward()
    candidates = [f'steps.{layer + 1}.k{(1, 3)[option]}.' for layer, option in enumerate(path)]
    expected = {name for name, _ in supernet.named_parameters()
                if name.startswith(('steps.0.', 'steps.3.', *candidates))}
    assert {name for name, weight in supernet.named_parameters() if weight.grad is not None} == expected
    assert 0 < len(expected) < len(list(supernet.parameters()))


def test_all_weights_of_a_cell_belong_to_some_path(digits):
    supernet = bare(digits, read_chain(digits), 2, 2)
    x = torch.randn(2, 16, 4, 4)
    for option in range(6):
        supernet(x, (option, option)).square().sum().backward()
    assert all(weight.grad is not None for weight in supernet.parameters())


@pytest.mark.parametrize('block, cell', DIGITS_CELLS)
def test_the_model_space_is_not_changed(digits, block, cell):
    chain = read_chain(digits)
    text, weights = repr(digits), {name: tensor.clone() for name, tensor in digits.state_dict().items()}
    supernet = bare(digits, chain, block, cell)
    with torch.no_grad():
        for weight in supernet.parameters():
            weight.fill_(3)
    assert repr(digits) == text
    assert read_chain(digits) == chain
    assert digits.state_dict().keys() == weights.keys()
    assert all(torch.equal(tensor, weights[name]) for name, tensor in digits.state_dict().items())
    assert not any(isinstance(module, BaseSuperNetModule) for module in digits.modules())


def test_two_supernets_of_one_space_share_no_weights(toy):
    chain = read_chain(toy)
    first, second = bare(toy, chain, 0, 1), bare(toy, chain, 0, 1)
    assert not {id(weight) for weight in first.parameters()} & {id(weight) for weight in second.parameters()}


def test_the_first_layer_has_the_width_of_the_last_cell_before(toy):
    supernet = bare(toy, read_chain(toy), 1, 0)
    assert {conv.in_channels for conv in supernet.steps[1].modules() if isinstance(conv, nn.Conv2d)} == {6}
    narrow = bare(toy, restrict(read_chain(toy), listed(cell=['shallow'])), 1, 0)
    assert {conv.in_channels for conv in narrow.steps[1].modules() if isinstance(conv, nn.Conv2d)} == {4}


def border_width():
    return MutableExpression({'x': 4, 'y': 6}.__getitem__, 'width({})', [nni.choice('cell', ['x', 'y'])])


class Kernels(ModelSpace):
    """Kernel sizes chosen within a layer; the second block's layer also has the width of the block before."""

    def __init__(self):
        super().__init__()
        one, two = nni.choice('one', [1, 3, 5]), nni.choice('two', [1, 3])
        self.blocks = nn.Sequential(
            LayerChoice({'x': nn.Sequential(MutableConv2d(3, 4, one, padding=one // 2)),
                         'y': nn.Sequential(MutableConv2d(3, 6, 1))}, label='cell'),
            nn.Sequential(MutableConv2d(border_width(), 8, two, padding=two // 2)))

    def forward(self, x):
        return self.blocks(x)


def test_kernels_chosen_within_a_layer_are_the_centres_of_one_kernel():
    space = Kernels()
    supernet = bare(space, read_chain(space), 0, 0)
    weight, bias = supernet.steps[1].weight, supernet.steps[1].bias
    assert weight.shape[-2:] == (5, 5)
    x = torch.randn(2, 3, 8, 8)
    for option, kernel in enumerate((1, 3, 5)):
        margin = (5 - kernel) // 2
        centre = weight[:, :, margin:5 - margin, margin:5 - margin]
        expected = nn.functional.conv2d(x, centre, bias, padding=kernel // 2)
        assert torch.allclose(supernet(x, (option,)), expected, atol=1e-6)


def test_a_layer_with_a_choice_of_its_own_beside_the_border_width_takes_that_width():
    space = Kernels()
    supernet = bare(space, read_chain(space), 1, 0)
    x = torch.randn(2, 6, 8, 8)
    for _ in range(10):
        assert [supernet(x, (option,)).shape for option in range(2)] == [(2, 8, 8, 8)] * 2
    assert supernet(x, (0,)).sub(supernet(x, (0,))).abs().max() == 0


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
        self.blocks = nn.Sequential(nn.Sequential(MutableConv2d(3, 3, 1), ScaleChoice('factor', [2.0, 5.0])))

    def forward(self, x):
        return self.blocks(x)


class ScaledWithItsHook(Scaled):
    """Brings its hook along, as NNI's own spaces do."""

    def extra_oneshot_hooks(self, strategy):
        return [ScaleSampling.mutate]


def assert_scaled(supernet):
    x = torch.randn(2, 3, 4, 4)
    plain = supernet.run_step(1, 0, x)
    with torch.no_grad():
        supernet.steps[2].weight.fill_(10)
    assert torch.allclose(supernet(x, (0, 0)), plain * 20)
    assert torch.allclose(supernet(x, (0, 1)), plain * 50)


def test_a_mutation_hook_stands_in_for_a_choice_of_the_users_own():
    space = Scaled()
    chain = read_chain(space)
    assert chain.blocks[0].cells[0].radix == (1, 2)
    mutator = DNAMutator(mutation_hooks=[ScaleSampling.mutate])
    assert_scaled(mutator.supernet(space, chain, block=0, cell=0, entry=nn.Identity(), exit=nn.Identity()))


def test_a_mutation_hook_that_the_model_space_brings_is_used():
    space = ScaledWithItsHook()
    assert_scaled(bare(space, read_chain(space), 0, 0))


def test_hooks_run_before_nnis_own(toy):
    seen = []

    def hook(module, name, memo, mutate_kwargs):
        seen.append(type(module).__name__)

    chain = read_chain(toy)
    DNAMutator([hook]).supernet(toy, chain, block=0, cell=1, entry=nn.Identity(), exit=nn.Identity())
    assert seen.count('LayerChoice') == 2


def test_a_choice_that_nothing_stands_in_for_is_refused():
    space = Scaled()
    with pytest.raises(TypeError, match='mutation_hooks'):
        bare(space, read_chain(space), 0, 0)


def test_a_copy_of_a_supernet_is_one_of_its_own(toy):
    supernet = bare(toy, read_chain(toy), 0, 1)
    other = copy.deepcopy(supernet)
    x = torch.randn(2, 3, 16, 16)
    expected = supernet(x, (0, 1)).detach()
    with torch.no_grad():
        for weight in other.parameters():
            weight.zero_()
    other(x, (1, 0))
    assert torch.equal(supernet(x, (0, 1)), expected)
