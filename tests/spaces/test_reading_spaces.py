"""From a ModelSpace to its chain, and what is refused."""

import nni
import pytest
import torch
from torch import nn
from nni.mutable import MutableExpression
from nni.nas.nn.pytorch import LayerChoice, ModelSpace, MutableConv2d, MutableDropout, MutableLinear

import toys
from nni_dna.errors import SpaceError
from nni_dna.spaces import Chain, read_chain


def conv(kernel, channels=3):
    return MutableConv2d(channels, channels, kernel, padding=kernel // 2)


def choice(label, channels=3):
    return LayerChoice({'k1': conv(1, channels), 'k3': conv(3, channels)}, label=label)


class Made(ModelSpace):
    """A model space around given blocks, stem and head."""

    def __init__(self, blocks, stem=None, head=None):
        super().__init__()
        if stem is not None:
            self.stem = stem()
        self.blocks = blocks()
        if head is not None:
            self.head = head()

    def forward(self, x):
        return self.blocks(self.stem(x) if hasattr(self, 'stem') else x)


def read(blocks, **parts):
    return read_chain(Made(blocks, **parts))


def seq(*modules):
    return nn.Sequential(*modules)


def test_the_toy_space_is_read_block_by_block_cell_by_cell_layer_by_layer():
    chain = read_chain(toys.Space())
    assert isinstance(chain, Chain)
    assert [(block.name, block.module) for block in chain.blocks] == [('block1', 'blocks.0'), ('block2', 'blocks.1')]
    assert [[(cell.name, dict(cell.choice)) for cell in block.cells] for block in chain.blocks] == [
        [('shallow', {'cell': 'shallow'}), ('deep', {'cell': 'deep'})], [('only', {})]]
    options = [[[dict(option) for option in layer.options] for layer in cell.layers]
               for block in chain.blocks for cell in block.cells]

    def both(label):
        return [{label: 'k1'}, {label: 'k3'}]

    assert options == [[both('a1')], [both('b1'), both('b2')], [both('c1'), both('c2')]]
    assert chain.stem == ''
    assert chain.architectures == (2 + 4) * 4


def test_every_architecture_of_the_toy_space_freezes_and_runs():
    space = toys.Space()
    chain = read_chain(space)
    for first in range(6):
        network = space.freeze(chain.architecture((first, 3)))
        assert network(torch.zeros(2, 3, 16, 16)).shape == (2, 4)


def test_a_stem_is_named_where_the_space_has_one():
    assert read(lambda: seq(seq(choice('a'))), stem=lambda: conv(1)).stem == 'stem'
    assert read(lambda: seq(seq(choice('a')))).stem == ''


def test_a_module_list_of_blocks_is_a_chain_too():
    chain = read(lambda: nn.ModuleList([seq(choice('a')), seq(choice('b'), conv(1))]))
    assert [len(block.cells[0].layers) for block in chain.blocks] == [1, 2]


def test_a_layer_without_a_choice_has_one_option():
    cell = read(lambda: seq(seq(conv(1), choice('a'), nn.ReLU()))).blocks[0].cells[0]
    assert cell.radix == (1, 2, 1)
    assert cell.architecture(1) == {'a': 'k3'}


def test_a_layer_of_two_choices_offers_their_product():
    layer = read(lambda: seq(seq(seq(choice('a'), choice('b'))))).blocks[0].cells[0].layers[0]
    assert [dict(option) for option in layer.options] == [
        {'a': 'k1', 'b': 'k1'}, {'a': 'k1', 'b': 'k3'}, {'a': 'k3', 'b': 'k1'}, {'a': 'k3', 'b': 'k3'}]


def test_a_choice_that_is_an_argument_of_a_layer_gives_its_options():
    layer = read(lambda: seq(seq(MutableConv2d(3, 3, nni.choice('k', [1, 3, 5]))))).blocks[0].cells[0].layers[0]
    assert [dict(option) for option in layer.options] == [{'k': 1}, {'k': 3}, {'k': 5}]


def test_candidates_given_as_a_list_are_numbered():
    layer = read(lambda: seq(seq(LayerChoice([conv(1), conv(3)], label='a')))).blocks[0].cells[0].layers[0]
    assert [dict(option) for option in layer.options] == [{'a': 0}, {'a': 1}]


def test_a_module_that_runs_twice_in_a_cell_is_two_layers():
    def blocks():
        relu = nn.ReLU()
        return seq(seq(conv(1), relu, choice('a'), relu))
    cell = read(blocks).blocks[0].cells[0]
    assert [layer.name for layer in cell.layers] == ['0', '1', '2', '3']


class Residual(nn.Sequential):
    """Not a plain chain of its children."""

    def forward(self, x):
        return x + super().forward(x)


@pytest.mark.parametrize('blocks', [
    lambda: seq(Residual(choice('a'))),
    lambda: seq(LayerChoice({'x': Residual(choice('a')), 'y': seq(choice('b'))}, label='cell')),
], ids=['block', 'cell'])
def test_a_sequential_with_a_forward_of_its_own_is_refused(blocks):
    with pytest.raises(SpaceError, match='block1.*Sequential'):
        read(blocks)


class NoBlocks(ModelSpace):
    def __init__(self):
        super().__init__()
        self.layers = seq(choice('a'))


class NumberedBlocks(ModelSpace):
    def __init__(self):
        super().__init__()
        self.blocks = 3


@pytest.mark.parametrize('space', [NoBlocks, NumberedBlocks, lambda: Made(nn.Sequential), lambda: Made(nn.ModuleList),
                                   lambda: Made(lambda: nn.ModuleDict({'a': seq(choice('a'))}))],
                         ids=['missing', 'a number', 'empty Sequential', 'empty ModuleList', 'ModuleDict'])
def test_a_space_without_a_chain_of_blocks_is_refused(space):
    with pytest.raises(SpaceError, match="expected an attribute 'blocks'"):
        read_chain(space())


def width(label, widths):
    return MutableExpression(widths.__getitem__, 'width({})', [nni.choice(label, list(widths))])


def two_cells(label, names='xy'):
    return LayerChoice({name: seq(choice(f'{label}_{name}')) for name in names}, label=label)


@pytest.mark.parametrize('blocks, parts, message', [
    (lambda: seq(seq(choice('a'), choice('a'))), {}, "'a' is used in block1/0 and in block1/1: each layer"),
    (lambda: seq(LayerChoice({'x': seq(choice('a')), 'y': seq(choice('a'))}, label='cell')), {},
     "'a' is used in block1/x/0 and in block1/y/0: each layer"),
    (lambda: seq(seq(choice('a')), seq(choice('a'))), {}, "'a' is used in block1/0 and in block2/0: blocks"),
    (lambda: seq(two_cells('cell'), seq(conv(1)), seq(MutableConv2d(3, width('cell', {'x': 3, 'y': 3}), 1))), {},
     "'cell' is used in block1 and in block3/0: blocks"),
    (lambda: seq(seq(choice('a'))), {'stem': lambda: choice('s')}, "'s' belongs to no block: stem and head"),
    (lambda: seq(seq(choice('a'))), {'head': lambda: MutableLinear(3, nni.choice('h', [2, 4]))},
     "'h' belongs to no block"),
    (lambda: seq(LayerChoice({'x': conv(1), 'y': seq(choice('a'))}, label='cell')), {},
     "block1: expected cell 'x' of the LayerChoice 'cell' to be a plain Sequential"),
    (lambda: seq(seq(choice('a')), conv(1)), {},
     'block2: expected a plain Sequential of layers or a LayerChoice.*got .*Conv2d'),
    (lambda: seq(seq(choice('a')), seq()), {}, 'block2: expected at least one layer'),
    (lambda: seq(LayerChoice({'x': seq(choice('a')), 'y': seq()}, label='cell')), {},
     'block1/y: expected at least one layer'),
    (lambda: seq(seq(MutableDropout(nni.uniform('p', 0, 1)))), {}, "'p': expected a choice among listed values"),
], ids=['two layers', 'two cells', 'two blocks', 'block before last', 'stem', 'head', 'cell no Sequential',
        'block no Sequential', 'empty block', 'empty cell', 'numeric range'])
def test_a_space_that_is_no_chain_is_refused_with_the_place(blocks, parts, message):
    with pytest.raises(SpaceError, match=message):
        read(blocks, **parts)


def test_the_width_of_the_block_before_is_no_choice_of_the_layer():
    chain = read(lambda: seq(two_cells('cell'), seq(MutableConv2d(width('cell', {'x': 3, 'y': 3}), 3, 1))))
    assert chain.blocks[1].cells[0].radix == (1,)
