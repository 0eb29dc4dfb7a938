"""From a ModelSpace to its blocks, cells, layers and paths."""

import itertools

import nni
import pytest
import torch
from torch import nn
from nni.nas.nn.pytorch import LayerChoice, MutableLinear, Repeat

import toys
from made import both, cells_of, choice, conv, layer_options, made, norm_conv, only_cell, read, samples, seq
from nni_dna.errors import SpaceError
from nni_dna.spaces import Chain, chain_of


def test_the_toy_space_is_read_block_by_block_cell_by_cell_layer_by_layer():
    chain = toys.read_chain()
    assert isinstance(chain, Chain)
    assert [(block.name, block.modules) for block in chain.blocks] == [
        ('block1', ('blocks.0',)), ('block2', ('blocks.1.0', 'blocks.1.1'))]
    assert [cells_of(block) for block in chain.blocks] == [
        [('shallow', {'cell': 'shallow'}, [both('a1')]), ('deep', {'cell': 'deep'}, [both('b1'), both('b2')])],
        [('only', {}, [both('c1'), both('c2')])]]
    assert [block.supernets for block in chain.blocks] == [('shallow', 'deep'), ('only',)]
    assert (chain.blocks[0].handed_on, chain.blocks[1].handed_on) == (('cell',), ())
    assert dict(chain.blocks[1].incoming) == {'cell': 'deep'}
    assert chain.stem == ()
    assert chain.architectures == (2 + 4) * 4


def test_every_architecture_of_the_toy_space_freezes_and_runs():
    space = toys.Space()
    chain = toys.read_chain()
    for first in range(6):
        network = space.freeze(chain.architecture((first, 3)))
        assert network(torch.zeros(2, 3, 16, 16)).shape == (2, 4)


def test_what_runs_before_the_first_label_is_the_stem():
    assert read(made(lambda: {'a': choice('a')})).stem == ()
    assert read(made(lambda: {'stem': conv(), 'relu': nn.ReLU(), 'a': choice('a')})).stem == ('stem', 'relu')


def test_a_layer_with_a_single_value_belongs_to_the_first_block_and_its_value_to_every_architecture():
    chain = read(made(lambda: {'a': conv(nni.choice('k', [3])), 'b': choice('b', stride=2)}), 16)
    assert chain.stem == ()
    assert samples(chain) == [{'k': 3, 'b': 'k1'}, {'k': 3, 'b': 'k3'}]


def test_a_single_value_outside_the_blocks_belongs_to_every_architecture():
    chain = read(made(lambda: {'a': choice('a'), 'flat': nn.Flatten(),
                               'fc': MutableLinear(48, 2, nni.choice('bias', [True]))}), 4)
    assert dict(chain.fixed) == {'bias': True}
    assert samples(chain) == [{'bias': True, **option} for option in both('a')]


def test_a_module_list_is_a_chain_too():
    def run(self, x):
        for layer in self.layers:
            x = layer(x)
        return x
    space = made(lambda: {'layers': nn.ModuleList([choice('a'), conv(stride=2), choice('b'), conv()])}, run)
    assert [block.modules for block in read(space).blocks] == [('layers.0',), ('layers.1', 'layers.2')]


def test_a_layer_without_a_choice_has_one_option():
    cell = only_cell(lambda: {'k': conv(nni.choice('one', [1])), 'a': choice('a'), 'b': nn.ReLU(), 'c': choice('c')})
    assert cell.radix == (1, 2, 1, 2)
    assert cell.architecture(1) == {'one': 1, 'a': 'k1', 'c': 'k3'}


def test_a_layer_of_two_choices_offers_their_product():
    class Pair(nn.Module):
        def __init__(self):
            super().__init__()
            self.inner = seq(choice('a'), choice('b'))

        def forward(self, x):
            return x + self.inner(x)
    cell = only_cell(lambda: {'pair': Pair()})
    assert layer_options(cell) == [[{**a, **b} for a in both('a') for b in both('b')]]


def test_choices_one_after_another_are_layers_of_their_own():
    cell = only_cell(lambda: {'a': seq(seq(choice('a'), choice('b')), conv(), choice('c'))})
    assert layer_options(cell) == [both('a'), both('b'), [{}], both('c')]
    assert [layer.name for layer in cell.layers] == ['a.0.0', 'a.0.1', 'a.1', 'a.2']


def test_a_choice_that_is_an_argument_of_a_layer_gives_its_options():
    assert layer_options(only_cell(lambda: {'a': conv(nni.choice('k', [1, 3, 5]))})) == [[{'k': 1}, {'k': 3}, {'k': 5}]]


def test_candidates_given_as_a_list_are_numbered():
    assert layer_options(only_cell(lambda: {'a': LayerChoice([conv(1), conv(3)], label='a')})) == [[{'a': 0}, {'a': 1}]]


def test_a_fixed_module_that_runs_twice_in_a_block_is_two_layers():
    def parts():
        relu = nn.ReLU()
        return {'body': seq(choice('a'), relu, choice('b'), relu, choice('c'))}
    cell = only_cell(parts)
    assert layer_options(cell) == [both('a'), [{}], both('b'), [{}], both('c')]
    assert cell.layers[1] == cell.layers[3]


# Operations among which a layer chooses, nested

def test_a_choice_within_a_candidate_adds_options_to_that_candidate_alone():
    layer = LayerChoice
    cell = only_cell(lambda: {'a': layer({'x': conv(), 'y': layer({'k1': conv(1), 'k3': conv(3)}, label='b')}, label='a')})
    assert layer_options(cell) == [[{'a': 'x'}, {'a': 'y', 'b': 'k1'}, {'a': 'y', 'b': 'k3'}]]


def test_a_residual_of_the_users_own_around_a_choice_is_a_layer_of_its_options():
    class Residual(nn.Module):
        def __init__(self, label):
            super().__init__()
            self.inner = choice(label)

        def forward(self, x):
            return x + self.inner(x)
    chain = read(made(lambda: {'down': choice('d', stride=2), 'a': Residual('a'), 'b': Residual('b')}))
    assert layer_options(chain.blocks[0].cells[0]) == [both('d'), both('a'), both('b')]


def test_a_choice_among_chains_gives_a_cell_and_a_supernet_each():
    def parts():
        return {'a': LayerChoice({'x': seq(choice('x1'), choice('x2')), 'y': seq(choice('y1')), 'z': conv()}, label='cell')}
    block = read(made(parts)).blocks[0]
    assert cells_of(block) == [('x', {'cell': 'x'}, [both('x1'), both('x2')]), ('y', {'cell': 'y'}, [both('y1')]),
                               ('z', {'cell': 'z'}, [[{}]])]
    assert block.supernets == ('x', 'y', 'z')


def test_two_choices_among_chains_in_a_block_give_a_cell_and_a_supernet_for_each_pair():
    def parts():
        return {'a': LayerChoice({'x': seq(choice('p')), 'x_y': seq(choice('q'))}, label='a'),
                'b': LayerChoice({'y_z': seq(choice('r')), 'z': seq(choice('s'))}, label='b')}
    block = read(made(parts)).blocks[0]
    assert [dict(cell.choice) for cell in block.cells] == [{'a': a, 'b': b} for a in ('x', 'x_y') for b in ('y_z', 'z')]
    assert len({cell.name for cell in block.cells}) == len(block.supernets) == 4


def test_cells_may_use_one_label_since_only_one_of_them_runs():
    block = read(made(lambda: {'a': LayerChoice({'x': seq(choice('a')), 'y': seq(choice('a'), conv())}, label='cell')})).blocks[0]
    assert cells_of(block) == [('x', {'cell': 'x'}, [both('a')]), ('y', {'cell': 'y'}, [both('a'), [{}]])]


def test_a_choice_among_sequentials_without_choices_is_one_of_operations():
    cell = only_cell(lambda: {'a': LayerChoice({'x': seq(conv(1), nn.ReLU()), 'y': seq(conv(3), nn.ReLU())}, label='a')})
    assert layer_options(cell) == [[{'a': 'x'}, {'a': 'y'}]]


# Where the blocks end

def three():
    return made(lambda: {'a': seq(choice('a0'), choice('a1', stride=2)), 'b': seq(choice('b0'), choice('b1'), choice('b2'))})


@pytest.mark.parametrize('ends, expected', [
    (None, [['a.0'], ['a.1', 'b.0', 'b.1', 'b.2']]),
    (['a', 'b'], [['a.0', 'a.1'], ['b.0', 'b.1', 'b.2']]),
    (['a.0', 'b.0', 'b'], [['a.0'], ['a.1', 'b.0'], ['b.1', 'b.2']]),
    (['b.2'], [['a.0', 'a.1', 'b.0', 'b.1', 'b.2']]),
])
def test_blocks_end_where_the_user_says_or_where_the_resolution_changes(ends, expected):
    assert [list(block.modules) for block in read(three(), ends=ends).blocks] == expected


def test_a_space_may_say_itself_where_its_blocks_end_and_the_user_overrules_it():
    space = three()
    space.block_ends = ['a', 'b.1', 'b']
    assert [block.modules[-1] for block in read(space).blocks] == ['a.1', 'b.1', 'b.2']
    assert [block.modules[-1] for block in read(space, ends=['a', 'b']).blocks] == ['a.1', 'b.2']


def test_an_unknown_end_names_the_nearest_module():
    with pytest.raises(SpaceError, match="space.blocks: no module 'b.3' is among those that run one after another; nearest"):
        read(three(), ends=['a', 'b.3'])


def test_a_block_is_cut_further_only_where_it_has_too_many_paths_and_the_teacher_a_stage_for_it():
    space = made(lambda: {f'a{index}': choice(f'a{index}') for index in range(6)})
    stages = [(f's{index}', (16, 16)) for index in range(3)]

    def blocks(max_paths):
        chain, names = chain_of(space, (3, 16, 16), stages=stages, chosen_stages=False, max_paths=max_paths)
        return [(block.all_paths, block.paths) for block in chain.blocks], names
    assert blocks(64) == ([(64, 64)], ('s2',))
    assert blocks(63) == ([(8, 8), (8, 8)], ('s1', 's2'))
    assert blocks(4) == ([(4, 4)] * 3, ('s0', 's1', 's2'))
    assert blocks(3) == ([(4, 3)] * 3, ('s0', 's1', 's2'))


def test_the_architectures_of_a_space_are_all_that_nni_can_freeze_each_once():
    """Depths, nested choices, a shared width and a width that is handed on."""
    def parts():
        inner, out = nni.choice('inner', [4, 6]), nni.choice('out', [5, 8])
        return {'stem': conv(nni.choice('s', [1, 3])),
                'a': Repeat(lambda index: choice(f'a{index}', inner if index else 3, inner), (1, 2), label='d'),
                'b': norm_conv(inner, out, nni.choice('kb', [1, 3]), 2),
                'c': LayerChoice({'x': conv(3, out, 7, 2), 'y': seq(conv(1, out, 4), choice('y', 4, 7, 2))}, label='c')}
    space = made(parts)
    chain = read(space)
    assert [block.name for block in chain.blocks] == ['block1', 'block2', 'block3']
    values = {label: mutable.values for label, mutable in space.simplify().items()}
    expected = {repr(space.freeze(dict(zip(values, combination)))) for combination in itertools.product(*values.values())}
    found = [repr(space.freeze(sample)) for sample in samples(chain)]
    assert len(found) == len(set(found)) == chain.architectures
    assert set(found) == expected
