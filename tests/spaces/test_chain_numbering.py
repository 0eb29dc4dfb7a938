"""Paths and their numbers: plain data, compared with itertools and NumPy's mixed radix."""

import dataclasses
import itertools
import math

import numpy as np
import pytest
import toys

from nni_dna.spaces import Block, Cell, Chain, Layer
from nni_dna.spaces.subset import limit_paths


def make_cell(name, radix, choice=None):
    return Cell(name=name, choice=choice or {}, layers=tuple(
        Layer(name=str(i), options=tuple({f'{name}/{i}': f'o{j}'} for j in range(base)) if base > 1 else ({},))
        for i, base in enumerate(radix)))


@pytest.fixture
def chain():
    """Two blocks: cells of 2 * 3 and 4 paths, then one cell of 3 * 1 * 2 paths with a fixed layer in the middle."""
    return Chain(fixed={'one': 1}, blocks=(
        Block(name='block1', modules=('blocks.0',), cells=(make_cell('x', (2, 3), {'cell': 'x'}),
                                                           make_cell('y', (4,), {'cell': 'y'}))),
        Block(name='block2', modules=('blocks.1',), cells=(make_cell('z', (3, 1, 2)),)),
    ))


@pytest.mark.parametrize('radix', [(1,), (6,), (2, 3, 4), (6, 6, 6), (4, 1, 3), (1, 1)])
def test_paths_are_numbered_as_itertools_product_lists_them(radix):
    cell = make_cell('c', radix)
    expected = list(itertools.product(*(range(base) for base in radix)))
    assert cell.radix == radix
    assert cell.paths == len(expected)
    assert [cell.digits(path) for path in range(cell.paths)] == expected


def test_digits_of_a_large_cell_agree_with_numpys_mixed_radix():
    radix = (6, 5, 7, 3, 6, 2)
    cell = make_cell('c', radix)
    for path in np.random.default_rng(0).integers(0, math.prod(radix), 200).tolist():
        digits = cell.digits(path)
        assert digits == tuple(np.unravel_index(path, radix))
        assert np.ravel_multi_index(digits, radix) == path


@pytest.mark.parametrize('path', [-1, 6, 1000])
def test_a_path_number_outside_the_cell_is_an_index_error(path):
    with pytest.raises(IndexError, match=f'from 0 to 5, got {path}'):
        make_cell('c', (2, 3)).digits(path)


def test_an_architecture_names_the_cell_and_one_option_per_free_layer(chain):
    x, z = chain.blocks[0].cells[0], chain.blocks[1].cells[0]
    assert x.architecture(0) == {'cell': 'x', 'x/0': 'o0', 'x/1': 'o0'}
    assert x.architecture(5) == {'cell': 'x', 'x/0': 'o1', 'x/1': 'o2'}
    assert z.architecture(3) == {'z/0': 'o1', 'z/2': 'o1'}


def test_every_path_of_a_block_is_located_in_the_cell_that_it_runs_through(chain):
    block = chain.blocks[0]
    expected = [(index, local) for index, cell in enumerate(block.cells) for local in range(cell.paths)]
    assert block.paths == len(expected) == 10
    assert [block.locate(path) for path in range(block.paths)] == expected


def test_a_path_number_beyond_the_block_is_an_index_error(chain):
    with pytest.raises(IndexError, match='block1 has 10 paths only'):
        chain.blocks[0].locate(10)


def test_a_chain_has_as_many_architectures_as_the_product_lists_and_all_differ(chain):
    numbers = list(itertools.product(*(range(block.paths) for block in chain.blocks)))
    assert chain.architectures == len(numbers) == 60
    samples = {tuple(sorted(chain.architecture(paths).items())) for paths in numbers}
    assert len(samples) == 60


@pytest.mark.parametrize('paths', [(), (0,), (0, 0, 0)])
def test_an_architecture_takes_one_path_number_per_block(chain, paths):
    with pytest.raises(ValueError, match=f'each of 2 blocks, got {len(paths)}'):
        chain.architecture(paths)


@pytest.mark.parametrize('paths', [(-1, 0), (0, -1), (10, 0), (0, 6)])
def test_an_architecture_of_a_path_number_out_of_range_is_an_index_error(chain, paths):
    with pytest.raises(IndexError):
        chain.architecture(paths)


def test_cells_are_listed_with_their_place(chain):
    assert [(b, c, block.name, cell.name) for b, c, block, cell in chain.cells()] == [
        (0, 0, 'block1', 'x'), (0, 1, 'block1', 'y'), (1, 0, 'block2', 'z')]


def test_an_architecture_has_the_labels_that_have_one_value_outside_the_blocks(chain):
    assert chain.architecture((6, 5)) == {'one': 1, 'cell': 'y', 'y/0': 'o0', 'z/0': 'o2', 'z/2': 'o1'}


@pytest.mark.parametrize('subset', [(0,), (23,), (0, 7, 8, 23), tuple(range(24))])
def test_the_paths_of_a_subset_are_those_of_the_whole_cell_in_their_order(subset):
    whole = make_cell('c', (2, 3, 4))
    part = dataclasses.replace(whole, subset=subset)
    assert (part.paths, part.all_paths) == (len(subset), 24)
    assert [part.digits(path) for path in range(part.paths)] == [whole.digits(path) for path in subset]
    assert [part.architecture(path) for path in range(part.paths)] == [whole.architecture(path) for path in subset]
    with pytest.raises(IndexError, match=f'from 0 to {len(subset) - 1}'):
        part.digits(len(subset))


def test_a_block_counts_the_paths_to_rate_and_all_of_them():
    x, y = make_cell('x', (2, 3)), make_cell('y', (5, 5))
    block = Block(name='block1', modules=('a',), cells=(x, dataclasses.replace(y, subset=(3, 20))))
    chain = Chain(blocks=(block, block))
    assert (block.paths, block.all_paths) == (8, 31)
    assert (chain.architectures, chain.all_architectures) == (64, 961)
    assert [block.locate(path) for path in (5, 6, 7)] == [(0, 5), (1, 0), (1, 1)]


def test_cells_of_one_supernet_are_listed_under_one_name_in_the_order_of_the_cells():
    cells = tuple(dataclasses.replace(make_cell(name, (2,)), supernet=supernet)
                  for name, supernet in (('p', 'wide'), ('q', 'narrow'), ('r', 'wide')))
    chain = Chain(blocks=(Block(name='block1', modules=('a',), cells=cells),
                          Block(name='block2', modules=('b',), cells=(make_cell('s', (2,)),))))
    assert chain.blocks[0].supernets == ('wide', 'narrow')
    assert [(b, s, block.name, name) for b, s, block, name in chain.supernets()] == [
        (0, 0, 'block1', 'wide'), (0, 1, 'block1', 'narrow'), (1, 0, 'block2', 'only')]


def test_what_a_block_hands_on_are_the_different_choices_of_those_labels_alone():
    choices = [{'d': 1, 'w': 8}, {'d': 1, 'w': 4}, {'d': 2, 'w': 8}, {'d': 2, 'w': 4}]
    cells = tuple(make_cell(str(index), (2,), choice) for index, choice in enumerate(choices))
    block = Block(name='block1', modules=('a',), cells=cells, handed_on=('w',))
    assert block.borders == ({'w': 8}, {'w': 4})
    assert block.cell_borders == (0, 1, 0, 1)
    alone = dataclasses.replace(block, handed_on=())
    assert alone.borders == ({},) and alone.cell_borders == (0, 0, 0, 0)


def test_the_layers_of_a_block_are_those_of_its_deepest_cell():
    cells = (make_cell('x', (2, 3)), make_cell('y', (2, 1, 3)), make_cell('z', (4,)))
    assert Block(name='block1', modules=('a',), cells=cells).layers == 3


@pytest.mark.parametrize('space', [toys.Space, toys.Scaled])
@pytest.mark.parametrize('most', [20_000, 4])
def test_an_architecture_gives_its_paths_back_and_one_that_is_not_rated_is_refused(space, most):
    whole = toys.read_chain(space())
    chain = limit_paths(whole, most, seed=0)
    for paths in itertools.product(*(range(block.paths) for block in chain.blocks)):
        assert chain.paths_of(chain.architecture(paths)) == paths
    rated = {tuple(sorted(chain.architecture(paths).items()))
             for paths in itertools.product(*(range(block.paths) for block in chain.blocks))}
    for paths in itertools.product(*(range(block.paths) for block in whole.blocks)):
        architecture = whole.architecture(paths)
        if tuple(sorted(architecture.items())) not in rated:
            with pytest.raises(ValueError, match='no rated path'):
                chain.paths_of(architecture)
