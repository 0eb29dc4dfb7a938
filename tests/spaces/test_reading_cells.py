"""Depths and widths that are chosen: the cells of a block, and what is refused."""

import nni
import pytest
from torch import nn
from nni.mutable import MutableExpression
from nni.nas.nn.pytorch import LayerChoice, MutableConv2d, MutableDropout, MutableLinear, Repeat

from made import both, cells_of, choice, conv, layer_options, listed, made, norm_conv, only_cell, read, samples, seq, width
from nni_dna.errors import NniDnaError, SpaceError
from nni_dna.spaces import chain_of


# Depths

def test_a_repeat_gives_a_cell_for_each_depth_on_one_supernet():
    block = read(made(lambda: {'a': Repeat(lambda index: choice(f'a{index}'), (1, 3), label='d')})).blocks[0]
    assert cells_of(block) == [(f'd={depth}', {'d': depth}, [both(f'a{index}') for index in range(depth)])
                               for depth in (1, 2, 3)]
    assert block.supernets == ('only',)


def test_copies_of_one_choice_in_a_repeat_are_chosen_alike():
    block = read(made(lambda: {'a': Repeat(choice('op'), (1, 3), label='d')})).blocks[0]
    assert cells_of(block) == [
        ('d=1', {'d': 1}, [both('op')]),
        *[(f'd={depth},op={op}', {'d': depth, 'op': op}, [[{}]] * depth) for depth in (2, 3) for op in ('k1', 'k3')]]
    assert block.all_paths == 6


def test_a_depth_of_0_leaves_the_other_layers_of_the_block():
    def parts():
        return {'down': choice('down', stride=2), 'a': Repeat(lambda index: choice(f'a{index}'), (0, 2), label='d')}
    block = read(made(parts)).blocks[0]
    assert cells_of(block) == [(f'd={depth}', {'d': depth}, [both('down'), *(both(f'a{index}') for index in range(depth))])
                               for depth in (0, 1, 2)]


def test_a_block_that_may_have_no_layer_at_all_is_refused():
    with pytest.raises(SpaceError, match=r"^block1: with {'d': 0} it has no layer; raise the smallest depth of the Repeat"):
        read(made(lambda: {'a': Repeat(lambda index: choice(f'a{index}'), (0, 2), label='d')}))


@pytest.mark.parametrize('depth, expected', [
    (lambda: nni.choice('d', [1, 2]) * 2 - 1, [({'d': 1}, 1), ({'d': 2}, 3)]),
    (lambda: nni.choice('d', [3, 1]), [({'d': 3}, 3), ({'d': 1}, 1)]),
    (lambda: nni.choice('d', [1, 2]) + nni.choice('e', [0, 1]),
     [({'d': 1, 'e': 0}, 1), ({'d': 1, 'e': 1}, 2), ({'d': 2, 'e': 0}, 2), ({'d': 2, 'e': 1}, 3)]),
    (lambda: MutableExpression.max(nni.choice('d', [1, 3]), 2), [({'d': 1}, 2), ({'d': 3}, 3)]),
], ids=['a linear expression', 'listed values', 'a sum of two', 'a maximum'])
def test_a_depth_may_be_an_expression(depth, expected):
    block = read(made(lambda: {'a': Repeat(lambda index: choice(f'a{index}'), depth())})).blocks[0]
    assert [(dict(cell.choice), len(cell.layers)) for cell in block.cells] == expected
    assert block.supernets == ('only',)


def test_a_fixed_depth_is_no_choice():
    cell = only_cell(lambda: {'a': Repeat(lambda index: choice(f'a{index}'), 2)})
    assert (cell.name, layer_options(cell)) == ('only', [both('a0'), both('a1')])


def test_a_repeat_within_a_repeat_gives_a_cell_for_each_pair_of_depths():
    def parts():
        def inner(index):
            return Repeat(lambda i: choice(f'a{index}{i}'), (1, 2), label=f'd{index}')
        return {'a': Repeat(inner, (1, 2), label='d')}
    block = read(made(parts)).blocks[0]
    assert [(dict(cell.choice), len(cell.layers)) for cell in block.cells] == [
        ({'d': 1, 'd0': 1}, 1), ({'d': 1, 'd0': 2}, 2),
        ({'d': 2, 'd0': 1, 'd1': 1}, 2), ({'d': 2, 'd0': 1, 'd1': 2}, 3),
        ({'d': 2, 'd0': 2, 'd1': 1}, 3), ({'d': 2, 'd0': 2, 'd1': 2}, 4)]


def test_a_repeat_of_sequentials_is_taken_apart_into_their_layers():
    def parts():
        return {'a': Repeat(lambda index: seq(choice(f'a{index}'), conv(), choice(f'b{index}')), (1, 2), label='d')}
    block = read(made(parts)).blocks[0]
    assert [[layer.name for layer in cell.layers] for cell in block.cells] == [
        ['a.blocks.0.0', 'a.blocks.0.1', 'a.blocks.0.2'],
        ['a.blocks.0.0', 'a.blocks.0.1', 'a.blocks.0.2', 'a.blocks.1.0', 'a.blocks.1.1', 'a.blocks.1.2']]


def test_two_repeats_of_one_depth_in_a_block_are_equally_deep():
    def parts():
        depth = nni.choice('d', [1, 2])
        return {'a': Repeat(lambda index: choice(f'a{index}'), depth), 'b': Repeat(lambda index: choice(f'b{index}'), depth)}
    block = read(made(parts)).blocks[0]
    assert [(dict(cell.choice), len(cell.layers)) for cell in block.cells] == [({'d': 1}, 2), ({'d': 2}, 4)]


def test_a_depth_that_the_definition_restricts_keeps_its_cells():
    block = read(made(lambda: {'a': Repeat(lambda index: choice(f'a{index}'), (1, 3), label='d')}),
                 definition=listed(d=[3, 1], a0=['k3'])).blocks[0]
    assert cells_of(block) == [('d=1', {'d': 1}, [[{'a0': 'k3'}]]),
                               ('d=3', {'d': 3}, [[{'a0': 'k3'}], both('a1'), both('a2')])]


# Widths

def widths_in_a_block():
    inner = nni.choice('w', [4, 8])
    return {'a': norm_conv(3, inner), 'b': conv(nni.choice('k', [1, 3]), inner, 5)}


def test_a_width_that_several_layers_share_gives_a_cell_for_each_value_on_one_supernet():
    block = read(made(widths_in_a_block)).blocks[0]
    assert [(cell.name, dict(cell.choice), cell.all_paths) for cell in block.cells] == [
        ('w=4', {'w': 4}, 2), ('w=8', {'w': 8}, 2)]
    assert block.supernets == ('only',) and block.handed_on == ()


def test_the_depths_and_widths_of_a_block_are_combined():
    def parts():
        inner = nni.choice('w', [4, 8])
        return {'a': Repeat(lambda index: choice(f'a{index}', inner if index else 3, inner), (1, 2), label='d')}
    block = read(made(parts)).blocks[0]
    # With one layer, the width is that layer's own.
    assert [(dict(cell.choice), cell.all_paths) for cell in block.cells] == [
        ({'d': 1}, 4), ({'d': 2, 'w': 4}, 4), ({'d': 2, 'w': 8}, 4)]


def chain_of_widths():
    first, second = nni.choice('w1', [4, 8]), nni.choice('w2', [6, 9])
    return {'a': norm_conv(3, first, nni.choice('k1', [1, 3]), 2), 'b': norm_conv(first, second, nni.choice('k2', [1, 3]), 2),
            'c': norm_conv(second, 5, nni.choice('k3', [1, 3]), 2)}


def test_the_width_that_a_block_hands_on_is_a_choice_of_that_block_alone():
    chain = read(made(chain_of_widths))
    assert [block.handed_on for block in chain.blocks] == [('w1',), ('w2',), ()]
    assert [dict(block.incoming) for block in chain.blocks] == [{}, {'w1': 8}, {'w2': 9}]
    assert [[dict(cell.choice) for cell in block.cells] for block in chain.blocks] == [
        [{'w1': 4}, {'w1': 8}], [{'w2': 6}, {'w2': 9}], [{}]]
    assert chain.architectures == 4 * 4 * 2
    assert len({tuple(sorted(sample.items())) for sample in samples(chain)}) == 32
    assert all(sample.keys() == {'w1', 'w2', 'k1', 'k2', 'k3'} for sample in samples(chain))


def test_a_width_that_is_handed_on_to_the_head_is_a_choice_of_the_last_block():
    def parts():
        last = nni.choice('w', [4, 8])
        return {'a': norm_conv(3, last, stride=2), 'pool': nn.AdaptiveAvgPool2d(1), 'flat': nn.Flatten(),
                'fc': MutableLinear(last, 2)}
    chain = read(made(parts))
    assert [block.handed_on for block in chain.blocks] == [('w',)]
    assert samples(chain) == [{'w': 4}, {'w': 8}]


def test_the_width_of_the_block_before_is_no_choice_of_the_layer():
    def parts():
        return {'a': LayerChoice({'x': seq(choice('x', 3, 4)), 'y': seq(choice('y', 3, 6))}, label='cell'),
                'b': MutableConv2d(width('cell', {'x': 4, 'y': 6}), 3, nni.choice('k', [1, 2]), 2)}
    chain = read(made(parts))
    assert layer_options(chain.blocks[1].cells[0]) == [[{'k': 1}, {'k': 2}]]
    assert dict(chain.blocks[1].incoming) == {'cell': 'y'}


# Refused

def test_a_width_that_is_used_two_blocks_later_is_refused():
    def parts():
        first = nni.choice('w1', [4, 8])
        return {'a': norm_conv(3, first, stride=2), 'b': norm_conv(first, first, nni.choice('k2', [1, 3]), 2),
                'c': norm_conv(first, 5, nni.choice('k3', [1, 3]), 2)}
    with pytest.raises(SpaceError, match="label 'w1' is used in block1 and in block2 and in block3: blocks are trained indep"):
        read(made(parts))


def test_a_width_that_skips_a_block_is_refused():
    def parts():
        first = nni.choice('w1', [4, 8])
        return {'a': norm_conv(3, first, stride=2), 'b': seq(conv(3, first, 5), choice('b', 5, 5, 2)),
                'c': norm_conv(5, first, nni.choice('k3', [1, 3]), 2)}
    with pytest.raises(SpaceError, match="label 'w1' is used in block1 and in block3: blocks are trained independently"):
        read(made(parts))


def two_blocks_of_one_depth():
    depth = nni.choice('op', [1, 2])
    return {name: seq(conv(stride=2), Repeat(lambda index: choice(f'{name}{index}'), depth)) for name in 'ab'}


@pytest.mark.parametrize('parts', [
    lambda: {'a': choice('op', stride=2), 'b': choice('op', stride=2), 'c': choice('c', stride=2)},
    lambda: {'a': choice('op', stride=2), 'b': seq(choice('b'), choice('op', stride=2)), 'c': choice('c', stride=2)},
    lambda: {'a': choice('op', stride=2), 'b': choice('b', stride=2), 'c': choice('op', stride=2)},
    two_blocks_of_one_depth,
    lambda: {'a': choice('op', stride=2), 'b': conv(stride=2), 'c': seq(choice('op'), nn.ReLU())},
], ids=['next block', 'among others', 'two blocks later', 'one depth for two Repeats', 'only behind the last block'])
def test_an_operation_or_a_depth_that_two_blocks_share_is_refused(parts):
    with pytest.raises(SpaceError, match="label 'op' is used in block1 and .*: blocks are trained independently.*its own label"):
        read(made(parts))


@pytest.mark.parametrize('parts, message', [
    (lambda: {'a': choice('a'), 'flat': nn.Flatten(), 'drop': MutableDropout(nni.choice('p', [0.1, 0.5]))},
     'teacher.stages: no stage gives what module .drop. .*no feature map.*single value'),
    (lambda: {'a': MutableConv2d(3, 3, 1, bias=nni.choice('bias', [True, False])), 'b': MutableDropout(nni.uniform('p', 0, 1))},
     "'p': expected a choice of one among listed values"),
    (lambda: {'a': conv(), 'flat': nn.Flatten(), 'fc': nn.Linear(768, 2)}, 'the model space has no choice to make'),
], ids=['behind the last map', 'numeric range', 'no choice at all'])
def test_a_space_without_a_choice_that_a_stage_can_rate_is_refused(parts, message):
    with pytest.raises(NniDnaError, match=message):
        read(made(parts))


def test_a_choice_that_the_users_cut_leaves_outside_is_refused():
    parts = {'stem': lambda: conv(nni.choice('s', [1, 3])), 'a': lambda: choice('a', stride=2),
             'b': lambda: choice('b', stride=2)}
    space = made(lambda: {name: make() for name, make in parts.items()})
    with pytest.raises(SpaceError, match="label 'b' is used after the last block, where no teacher stage can rate it; give it"):
        read(space, ends=['stem', 'a'])
    assert [block.modules for block in read(space, ends=['a', 'b']).blocks] == [('stem', 'a'), ('b',)]


def test_more_combinations_of_depths_and_widths_than_can_be_listed_are_refused():
    def stages(number):
        def stage(name):
            return Repeat(lambda index: choice(f'{name}i{index}'), (1, 4), label=name)
        return {name: stage(name) for name in map('r{}'.format, range(number))}
    for number in (6, 30):
        with pytest.raises(SpaceError, match=r'more than 1000 combinations .* in one block \(r0, r1, .*\); restrict them by'):
            chain_of(made(lambda: stages(number)), (3, 8, 8), stages=[('s', (8, 8))], chosen_stages=False)
