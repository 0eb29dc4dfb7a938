"""The cost of every path, against counting the whole frozen network."""

import itertools

import nni
import numpy as np
import pytest
import torch
from torch import nn
from nni.mutable import MutableExpression
from nni.nas.nn.pytorch import LayerChoice, ModelSpace, MutableConv2d
from nni.nas.space import model_context

import toys
from nni_dna.cost import COSTS, Cost, cost_tables, count
from nni_dna.errors import SpaceError
from nni_dna.spaces import build_space, read_chain, restrict
from nni_dna.spaces.freezing import freeze


def on_meta(make):
    with torch.device('meta'):
        return make()


def counted(space, chain, paths, image_shape):
    with torch.device('meta'):
        return count(freeze(space, chain.architecture(paths)), image_shape)[0]


def random_paths(chain, number, seed=0):
    rng = np.random.default_rng(seed)
    return [tuple(int(rng.integers(block.paths)) for block in chain.blocks) for _ in range(number)]


def listed(**labels):
    return {label: {'_type': 'choice', '_value': values} for label, values in labels.items()}


@pytest.fixture(scope='module')
def toy():
    return on_meta(toys.Space)


@pytest.fixture(scope='module')
def digits():
    return on_meta(lambda: build_space('digits', {}, num_classes=10))


def test_every_architecture_of_the_toy_space_has_the_cost_of_its_network(toy):
    chain = read_chain(toy)
    tables = cost_tables(toy, chain, (3, 16, 16))
    for paths in itertools.product(range(6), range(4)):
        assert tables.total(chain, paths) == counted(toy, chain, paths, (3, 16, 16))


def test_random_architectures_of_the_digits_space_have_the_cost_of_their_network(digits):
    chain = read_chain(digits)
    tables = cost_tables(digits, chain, (3, 32, 32))
    unused = {label: values[0] for label, values in chain.label_values().items()}  # NNI builds these, then drops them
    for paths in random_paths(chain, 30):
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
    chain = restrict(read_chain(toy), definition)
    tables = cost_tables(toy, chain, (3, 16, 16))
    assert [table.shape[:2] for table in tables.blocks] == [
        (1, chain.blocks[0].paths), (len(chain.blocks[0].cells), chain.blocks[1].paths)]
    for paths in itertools.product(*(range(block.paths) for block in chain.blocks)):
        assert tables.total(chain, paths) == counted(toy, chain, paths, (3, 16, 16))


def test_a_restricted_digits_chain_has_the_costs_of_its_own_paths(digits):
    chain = restrict(read_chain(digits), listed(**{
        'block1/cell': ['2x8'], 'block2/cell': ['2x16'], 'block2/2x16/layer1': ['k7e6', 'k5e3'],
        'block3/2x24/layer2': ['k3e3']}))
    tables = cost_tables(digits, chain, (3, 32, 32))
    for paths in random_paths(chain, 4):
        assert tables.total(chain, paths) == counted(digits, chain, paths, (3, 32, 32))


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
    chain = read_chain(space)
    tables = cost_tables(space, chain, (3, 8, 8))
    for paths in itertools.product(range(6), range(6)):
        assert tables.total(chain, paths) == counted(space, chain, paths, (3, 8, 8))
    assert tables.input_shapes == (((5, 4, 4),), ((4, 4, 4), (6, 4, 4), (9, 4, 4)))
    assert tables.output_shapes == (((4, 4, 4), (6, 4, 4), (9, 4, 4)),) * 2


def test_the_costs_of_a_block_are_parameters_then_multiply_adds_of_each_path(toy):
    tables = cost_tables(toy, read_chain(toy), (3, 16, 16))
    assert COSTS == ('params', 'madds')
    # shallow is a convolution 3 -> 4 at 8x8 with bias and BatchNorm, of kernel 1 or 3
    assert tables.blocks[0][0, :2].tolist() == [[3 * 4 + 4 + 8, 64 * 12], [3 * 4 * 9 + 4 + 8, 64 * 108]]
    assert tables.rest.tolist() == [[8 * 4 + 4, 32]]
    assert tables.input_shapes == (((3, 16, 16),), ((4, 8, 8), (6, 8, 8)))
    assert tables.output_shapes == (((4, 8, 8), (6, 8, 8)), ((8, 4, 4),))


def test_a_layer_whose_choice_is_an_argument_beside_the_border_width_is_counted_exactly():
    class Kernel(ModelSpace):
        def __init__(self):
            super().__init__()
            width = MutableExpression({'x': 4, 'y': 6}.__getitem__, 'width({})', [nni.choice('cell', ['x', 'y'])])
            kernel = nni.choice('kernel', [1, 3])
            self.blocks = nn.Sequential(
                LayerChoice({'x': nn.Sequential(MutableConv2d(3, 4, 1)), 'y': nn.Sequential(MutableConv2d(3, 6, 1))},
                            label='cell'),
                nn.Sequential(MutableConv2d(width, 8, kernel, padding=kernel // 2)))

        def forward(self, x):
            return self.blocks(x)

    space = on_meta(Kernel)
    chain = read_chain(space)
    tables = cost_tables(space, chain, (3, 8, 8))
    for paths in itertools.product(range(2), range(2)):
        assert tables.total(chain, paths) == counted(space, chain, paths, (3, 8, 8))


def test_counting_does_not_change_the_model_space(toy):
    before, chain = repr(toy), read_chain(toy)
    cost_tables(toy, chain, (3, 16, 16))
    assert repr(toy) == before
    assert read_chain(toy) == chain


class Around(ModelSpace):
    """Two blocks of one convolution each, with something around them."""

    def __init__(self, padding=1):
        super().__init__()
        self.entry = MutableConv2d(3, 3, 1, stride=2)
        self.blocks = nn.Sequential(*(nn.Sequential(LayerChoice(
            [MutableConv2d(3, 3, 3, padding=padding), MutableConv2d(3, 3, 3, padding=padding)], label=f'a{i}'))
            for i in range(2)))

    def forward(self, x):
        return self.blocks(x)


class EntryBefore(Around):
    def forward(self, x):
        return self.blocks(self.entry(x))


class PoolBetween(Around):
    def forward(self, x):
        return self.blocks[1](nn.functional.max_pool2d(self.blocks[0](x), 2))


class ScaledBetween(Around):
    def forward(self, x):
        return self.blocks[1](self.blocks[0](x) * 2 - 1)


class SwappedBlocks(Around):
    def __init__(self):
        super().__init__()
        self.blocks[1] = nn.Sequential(LayerChoice(
            [MutableConv2d(3, 3, 3, 2, 1), MutableConv2d(3, 3, 3, 2, 1)], label='b'))

    def forward(self, x):
        return self.blocks[0](self.blocks[1](x))


class UnusedBlock(Around):
    def forward(self, x):
        return self.blocks[0](x)


class UnusedStem(Around):
    def __init__(self):
        super().__init__()
        self.stem = MutableConv2d(3, 3, 1, stride=2)


@pytest.mark.parametrize('make, size, message', [
    (lambda: Around(padding=0), 4, r'cannot run on images of shape \(3, 4, 4\): RuntimeError.*data.image_size'),
    (EntryBefore, 8, r"block1: its input has shape \(3, 4, 4\) but the image has \(3, 8, 8\).*attribute 'stem'"),
    (PoolBetween, 8, r'block2: its input has shape \(3, 4, 4\) but the block before gives \(3, 8, 8\)'),
    (SwappedBlocks, 8, r'block1: its input has shape \(3, 4, 4\)'),
    (UnusedBlock, 8, 'block2: the block never ran'),
    (ScaledBetween, 8, 'block2: .*nothing may run between'),
    (UnusedStem, 8, 'stem'),
], ids=['image too small', 'no stem', 'pool between', 'swapped', 'unused block', 'scaled between', 'unused stem'])
def test_a_space_whose_blocks_do_not_run_one_after_another_is_refused(make, size, message):
    space = on_meta(make)
    with pytest.raises(SpaceError, match=message):
        cost_tables(space, read_chain(space), (3, size, size))


def test_the_same_space_without_anything_around_is_accepted():
    space = on_meta(Around)
    chain = read_chain(space)
    # two 3x3 convolutions of width 3 on 4x4 pixels, and the 1x1 convolution that never runs
    expected = Cost(2 * (3 * 3 * 9 + 3) + 12, 2 * 16 * 3 * 3 * 9)
    assert cost_tables(space, chain, (3, 4, 4)).total(chain, (0, 1)) == expected


class SideBranch(ModelSpace):
    """Something outside the blocks that has the width of block 1, with another block behind that."""

    def __init__(self):
        super().__init__()
        width = MutableExpression({'x': 4, 'y': 6}.__getitem__, 'width({})', [nni.choice('cell', ['x', 'y'])])
        self.blocks = nn.Sequential(
            LayerChoice({'x': nn.Sequential(MutableConv2d(3, 4, 1)), 'y': nn.Sequential(MutableConv2d(3, 6, 1))},
                        label='cell'),
            nn.Sequential(MutableConv2d(width, 8, 1)))
        self.side = MutableConv2d(8, width, 1)

    def forward(self, x):
        return self.side(self.blocks(x))


def test_what_is_outside_the_blocks_and_depends_on_an_earlier_block_is_refused():
    space = on_meta(SideBranch)
    with pytest.raises(SpaceError, match="'cell'"):
        cost_tables(space, read_chain(space), (3, 8, 8))
