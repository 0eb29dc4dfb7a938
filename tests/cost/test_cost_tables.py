"""The cost of every path, against counting the whole frozen network."""

import nni
import pytest
import torch
from torch import nn
from nni.mutable import MutableExpression
from nni.nas.nn.pytorch import LayerChoice, ModelSpace, MutableConv2d, MutableDropout, MutableLinear, Repeat
from nni.nas.space import model_context

import toys
from made import all_paths, choice, conv, listed, made, norm_conv, on_meta, random_paths, read, seq
from nni_dna.cost import COSTS, Cost, border_shapes, cost_tables, count
from nni_dna.errors import SpaceError
from nni_dna.spaces import build_space, chain_of
from nni_dna.spaces.freezing import freeze


def counted(space, chain, paths, image_shape):
    with torch.device('meta'):
        return count(freeze(space, chain.architecture(paths)), image_shape)[0]


def assert_costs(space, chain, size, paths=None):
    """That the tables give the cost of whole networks; of all of them, or of some."""
    tables = cost_tables(space, chain, (3, size, size))
    for chosen in all_paths(chain) if paths is None else paths:
        assert tables.total(chain, chosen) == counted(space, chain, chosen, (3, size, size))
    return tables


@pytest.fixture(scope='module')
def toy():
    return on_meta(toys.Space)


@pytest.fixture(scope='module')
def digits():
    return on_meta(lambda: build_space('digits', {}, num_classes=10))


def test_every_architecture_of_the_toy_space_has_the_cost_of_its_network(toy):
    chain = read(toy)
    assert chain.architectures == 24
    assert_costs(toy, chain, 16)


def test_random_architectures_of_the_digits_space_have_the_cost_of_their_network(digits):
    chain = read(digits, 32)
    tables = cost_tables(digits, chain, (3, 32, 32))
    unused = {label: mutable.values[0] for label, mutable in digits.simplify().items()}  # NNI builds these, then drops them
    for paths in random_paths(chain, 12):
        # Built frozen by NNI's other way, which is also faster than freezing the whole space.
        with torch.device('meta'), model_context({**unused, **chain.architecture(paths)}):
            network = build_space('digits', {}, num_classes=10)
        assert tables.total(chain, paths) == count(network, (3, 32, 32))[0]


@pytest.mark.parametrize('definition', [
    listed(cell=['deep'], b1=['k3']),
    listed(cell=['shallow'], c1=['k3']),
    listed(a1=['k3'], b2=['k1'], c2=['k3']),
], ids=['only deep', 'only shallow', 'both'])
def test_a_restricted_chain_has_the_costs_of_its_own_paths(toy, definition):
    chain = read(toy, definition=definition)
    tables = assert_costs(toy, chain, 16)
    assert [table.shape[:2] for table in tables.blocks] == [
        (1, chain.blocks[0].paths), (len(chain.blocks[0].cells), chain.blocks[1].paths)]


def test_a_restricted_digits_chain_has_the_costs_of_its_own_paths(digits):
    chain = read(digits, 32, definition=listed(**{
        'block1/cell': ['2x8'], 'block2/cell': ['2x16'], 'block2/2x16/layer1': ['k7e6', 'k5e3'],
        'block3/2x24/layer2': ['k3e3']}))
    assert_costs(digits, chain, 32, random_paths(chain, 2))


def test_a_chain_of_which_a_sample_of_the_paths_is_rated_has_the_costs_of_those(toy):
    chain = read(toy, max_paths=3, ends=['blocks.0', 'blocks.1'])
    assert [block.paths for block in chain.blocks] == [3, 3]
    assert_costs(toy, chain, 16)


class SeveralWidths(ModelSpace):
    """A stem, three widths at every border, and a head that depends on the last."""

    def __init__(self):
        super().__init__()
        self.stem = MutableConv2d(3, 5, 3, 2, 1)
        before, blocks = 5, []
        for number in (1, 2):
            widths = {f'w{width}': width for width in (4, 6, 9)}
            cells = {name: nn.Sequential(self._layer(f'b{number}{name}', before, width), nn.ReLU())
                     for name, width in widths.items()}
            blocks.append(LayerChoice(cells, label=f'cell{number}'))
            before = MutableExpression(widths.__getitem__, 'width({})', [nni.choice(f'cell{number}', list(widths))])
        self.blocks = nn.ModuleList(blocks)
        self.head = MutableConv2d(before, 7, 1)

    @staticmethod
    def _layer(label, before, width):
        return LayerChoice({'k1': MutableConv2d(before, width, 1), 'k3': MutableConv2d(before, width, 3, padding=1)},
                           label=label)

    def forward(self, x):
        x = self.stem(x)
        for block in self.blocks:
            x = block(x)
        return self.head(x)


def test_stem_borders_and_head_of_several_widths_are_counted_exactly():
    space = on_meta(SeveralWidths)
    chain = read(space, 8, ends=['blocks.0', 'blocks.1'])
    assert chain.architectures == 36
    tables = assert_costs(space, chain, 8)
    assert [table.shape for table in tables.blocks] == [(1, 6, 2), (3, 6, 2)] and tables.rest.shape == (3, 2)
    shapes = border_shapes(space, chain, (3, 8, 8))
    assert shapes.inputs == (((5, 4, 4),), ((4, 4, 4), (6, 4, 4), (9, 4, 4)))
    assert shapes.outputs == (((4, 4, 4), (6, 4, 4), (9, 4, 4)),) * 2


def test_the_costs_of_a_block_are_parameters_then_multiply_adds_of_each_path(toy):
    tables = cost_tables(toy, read(toy), (3, 16, 16))
    assert COSTS == ('params', 'madds')
    # shallow is a convolution 3 -> 4 at 8x8 with bias and BatchNorm, of kernel 1 or 3
    assert tables.blocks[0][0, :2].tolist() == [[3 * 4 + 4 + 8, 64 * 12], [3 * 4 * 9 + 4 + 8, 64 * 108]]
    assert tables.rest.tolist() == [[8 * 4 + 4, 32]]
    shapes = border_shapes(toy, read(toy), (3, 16, 16))
    assert shapes.inputs == (((3, 16, 16),), ((4, 8, 8), (6, 8, 8)))
    assert shapes.outputs == (((4, 8, 8), (6, 8, 8)), ((8, 4, 4),))


def test_a_layer_whose_choice_is_an_argument_beside_the_border_width_is_counted_exactly():
    def parts():
        out = MutableExpression({'x': 4, 'y': 6}.__getitem__, 'width({})', [nni.choice('cell', ['x', 'y'])])
        return {'a': LayerChoice({'x': seq(choice('x', 3, 4)), 'y': seq(choice('y', 3, 6))}, label='cell'),
                'b': conv(nni.choice('kernel', [1, 3]), out, 8, 2)}
    space = made(parts)
    chain = read(space, 8)
    assert chain.architectures == 8
    assert_costs(space, chain, 8)


def test_depths_and_shared_widths_are_counted_exactly():
    def parts():
        first, second, hidden = nni.choice('w1', [4, 6]), nni.choice('w2', [5, 8]), nni.choice('h', [2, 3])
        return {'stem': conv(3, 3, 5, 2),
                'a': Repeat(lambda index: choice(f'a{index}', first if index else 5, first), (1, 3), label='d1'),
                'b': seq(norm_conv(first, first * hidden, nni.choice('k', [1, 3]), 2), norm_conv(first * hidden, second)),
                'c': Repeat(lambda index: choice(f'c{index}', second, second), (0, 2), label='d2'),
                'pool': nn.AdaptiveAvgPool2d(1), 'flat': nn.Flatten(), 'fc': MutableLinear(second, 3)}
    space = made(parts)
    chain = read(space, 16)
    assert [block.handed_on for block in chain.blocks] == [('w1',), ('w2',)]
    assert chain.architectures == 2 * (2 + 4 + 8) * 2 * 2 * 2 * (1 + 2 + 4)
    assert_costs(space, chain, 16, [*random_paths(chain, 30), (0, 0), tuple(block.paths - 1 for block in chain.blocks)])


def test_a_depth_that_the_cells_share_and_an_operation_of_all_its_layers_are_counted_exactly():
    space = made(lambda: {'a': seq(conv(stride=2), Repeat(choice('op'), (1, 3), label='d')), 'b': choice('b', stride=2)})
    assert_costs(space, read(space), 16)


def test_counting_does_not_change_the_model_space(toy):
    before, chain = repr(toy), read(toy)
    cost_tables(toy, chain, (3, 16, 16))
    assert repr(toy) == before
    assert read(toy) == chain


def test_the_modules_outside_the_blocks_are_in_the_rest():
    # a 1x1 convolution that never runs, a stem, and a head on one pixel, around two 3x3 convolutions on 4x4 pixels
    def run(self, x):
        return self.head(self.b(self.a(self.stem(x))).mean((2, 3)))
    space = made(lambda: {'unused': conv(1), 'stem': conv(3, stride=2), 'a': choice('a', kernels=(3, 5)),
                          'b': choice('b', kernels=(3, 5)), 'head': nn.Linear(3, 2)}, run)
    chain = read(space, 8)
    three = 3 * 3 * 9
    tables = cost_tables(space, chain, (3, 8, 8))
    assert tables.rest.tolist() == [[12 + three + 3 + 8, 16 * three + 6]]
    assert tables.total(chain, (0,)) == Cost(12 + 8 + 3 * (three + 3), 3 * 16 * three + 6)


@pytest.mark.parametrize('make, size, message', [
    (lambda: made(lambda: {'a': MutableConv2d(3, 3, 3), 'b': choice('b', kernels=(3, 5))}), 2,
     r'cannot run on images of shape \(3, 2, 2\): RuntimeError.*data.image_size'),
    (lambda: made(lambda: {name: choice(name, stride=2) for name in 'abcd'}), 4,
     'data.image_size: the images are too small for the strides of the space: a layer of stride 2 is left with 1x1 pixels'),
], ids=['too small for a kernel', 'too small for the strides'])
def test_images_that_are_too_small_are_refused(make, size, message):
    space = make()
    with pytest.raises(SpaceError, match=message):
        cost_tables(space, chain_of(space, (3, size, size), stages=[('s', (1, 1))], chosen_stages=False)[0], (3, size, size))


def side_branch(self, x):
    return self.side(self.b(self.a(x)).mean((2, 3)))


def two_widths(side=True):
    first = nni.choice('w', [4, 6])
    return {'a': norm_conv(3, first, stride=2), 'b': norm_conv(first, 8, nni.choice('k', [1, 3]), 2),
            'side': MutableLinear(8, first if side else 3)}


def test_what_is_outside_the_blocks_and_depends_on_an_earlier_block_is_refused():
    with pytest.raises(SpaceError, match="label 'w' is used in block1 and in block2 and after the last block"):
        read(made(two_widths, side_branch))
    space = made(lambda: two_widths(side=False), side_branch)
    assert_costs(space, read(space), 16)


def kernel_in_two_blocks():
    kernel = nni.choice('k', [1, 3])
    return {'a': seq(conv(kernel, 3, 4, 2)), 'b': seq(conv(kernel, 4, 4), choice('b', 4, 4, 2))}


def dilation_in_two_blocks():
    rate = nni.choice('k', [1, 2])
    return {'a': MutableConv2d(3, 4, 3, 2, rate, dilation=rate),
            'b': MutableConv2d(4, 4, 3, 2, rate, dilation=rate), 'c': choice('c', 4)}


@pytest.mark.parametrize('parts, size', [(kernel_in_two_blocks, 16), (dilation_in_two_blocks, 16)],
                         ids=['kernel size', 'dilation, which costs nothing'])
def test_a_size_that_is_no_width_and_is_shared_by_two_blocks_is_refused(parts, size):
    space = made(parts)
    chain = read(space, size, ends=['a', list(space._modules)[-1]])
    assert chain.blocks[0].handed_on == ('k',)
    with pytest.raises(SpaceError, match="label 'k' of the block before block2 decides an operation in block2 too"):
        cost_tables(space, chain, (3, size, size))


def test_a_size_that_is_no_width_and_is_shared_with_what_is_behind_the_last_block_is_refused():
    def parts():
        kernel = nni.choice('k', [1, 3])
        return {'a': seq(conv(kernel, 3, 4, 2)), 'b': seq(conv(kernel, 4, 4, 2)), 'c': conv(kernel, 4, 4, 2)}
    space = made(parts)
    chain = read(space)
    assert [block.modules for block in chain.blocks] == [('a.0',)]
    with pytest.raises(SpaceError, match="label 'k' of block1 decides an operation behind it too, and not only a width"):
        cost_tables(space, chain, (3, 16, 16))


def test_cells_of_equal_width_hand_on_the_same():
    space = on_meta(lambda: build_space('nni_dna.spaces.DNASpace', {
        'blocks': [{'stride': 2, 'cells': ['1x8', '2x8', '1x12']}, {'stride': 2, 'cells': ['1x8', '1x16']}],
        'kernel_sizes': [3], 'stem_width': 8, 'first_width': 0, 'head_width': 16}, 3))
    chain = read(space, 16)
    tables = assert_costs(space, chain, 16)
    assert (tables.blocks[1][0] == tables.blocks[1][1]).all() and (tables.blocks[1][0] != tables.blocks[1][2]).any()


@pytest.mark.parametrize('parts, message', [
    (lambda: {'a': LayerChoice({'x': conv(3, 3, 4), 'y': conv(3, 3, 5)}, label='a'), 'b': conv(3, 4, 4)},
     r"module 'a': its choices \(a\) give outputs of different shapes \(\(4, 16, 16\), \(5, 16, 16\)\), and what follows"),
    (lambda: {'a': LayerChoice({'x': conv(3, 3, 4), 'y': conv(3, 3, 4, 2)}, label='a'), 'b': choice('b', 4)},
     r"module 'a': its choices \(a\) give outputs of different shapes \(\(4, 8, 8\), \(4, 16, 16\)\)"),
    (lambda: {'a': conv(3, 3, nni.choice('w', [4, 8])), 'b': conv(3, 4, 4), 'c': choice('c', 4)},
     r"module 'a': its choices \(w\) give outputs of different shapes \(\(4, 16, 16\), \(8, 16, 16\)\)"),
    (lambda: {'a': Repeat(lambda index: choice(f'a{index}', 3, 4 + index), (1, 2), label='d')},
     r"module 'a.blocks.1' with .*'d': 2.* cannot run on an input of shape \(4, 16, 16\): RuntimeError"),
], ids=['widths of candidates', 'resolutions of candidates', 'a width that what follows does not know', 'widths of a Repeat'])
def test_a_choice_that_changes_a_shape_which_others_rely_on_is_refused(parts, message):
    space = made(parts)
    with pytest.raises(SpaceError, match=message):
        cost_tables(space, read(space), (3, 16, 16))


def test_a_depth_that_changes_the_resolution_gives_cells_of_different_shapes():
    space = made(lambda: {'stem': conv(nni.choice('s', [1, 3])),
                          'a': Repeat(lambda index: choice(f'a{index}', stride=2), (1, 2), label='d')})
    chain = read(space)
    assert border_shapes(space, chain, (3, 16, 16)).outputs[-1] == ((3, 8, 8), (3, 4, 4))


def test_a_choice_that_costs_nothing_is_a_path_like_any_other():
    space = made(lambda: {'a': choice('a', stride=2), 'drop': MutableDropout(nni.choice('p', [0.1, 0.5])), 'b': choice('b')})
    chain = read(space)
    tables = assert_costs(space, chain, 16)
    assert chain.blocks[0].cells[0].radix == (2, 2, 2)
    assert (tables.blocks[0][0, 0] == tables.blocks[0][0, 2]).all()
