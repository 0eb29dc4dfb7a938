"""Which paths are rated where there are too many."""

import itertools
import random

import numpy as np
import pytest

from nni_dna.spaces import Block, Cell, Chain, Layer
from nni_dna.spaces.subset import limit_paths


def cell(name, *radix):
    return Cell(name=name, choice={}, layers=tuple(
        Layer(name=str(index), options=tuple({f'{name}{index}': digit} for digit in range(base)))
        for index, base in enumerate(radix)))


def chain(*blocks):
    return Chain(blocks=tuple(Block(name=f'block{number}', modules=('m',), cells=cells)
                              for number, cells in enumerate(blocks, start=1)))


def subsets(limited, block=0):
    return [found.subset for found in limited.blocks[block].cells]


@pytest.mark.parametrize('most', [12, 13, 1000])
def test_a_block_of_few_enough_paths_keeps_them_all(most):
    whole = chain((cell('a', 2, 3), cell('b', 6)))
    assert limit_paths(whole, most, 0) == whole


@pytest.mark.parametrize('seed', range(30))
def test_as_many_paths_as_allowed_are_kept_each_once_ascending_and_as_evenly_as_the_cells_have_them(seed):
    rng = random.Random(seed)
    cells = tuple(cell(f'c{index}', *rng.choices([1, 2, 3, 6], k=rng.randint(1, 4))) for index in range(rng.randint(1, 6)))
    total = sum(one.all_paths for one in cells)
    most = rng.randint(len(cells), max(len(cells), total - 1))
    if most >= total:
        return
    limited = limit_paths(chain(cells), most, seed).blocks[0]
    assert limited.paths == most and limited.all_paths == total
    for before, after in zip(cells, limited.cells):
        if after.subset is None:
            assert after == before
        else:
            assert list(after.subset) == sorted(set(after.subset))
            assert 0 <= after.subset[0] and after.subset[-1] < before.all_paths
            assert after.digits(0) == before.digits(after.subset[0])
    cut_down = [after.paths for after in limited.cells if after.paths < after.all_paths]
    assert max(cut_down) - min(cut_down) <= 1  # they share what the small cells leave
    assert all(after.paths <= max(cut_down) for after in limited.cells)


def test_every_cell_keeps_a_path_however_few_may_be_rated():
    limited = limit_paths(chain(tuple(cell(f'c{index}', 6, 6) for index in range(5))), 2, 0).blocks[0]
    assert [one.paths for one in limited.cells] == [1] * 5


def test_the_choice_depends_on_the_seed_and_on_nothing_else():
    big = (cell('a', 6, 6, 6),)
    first = subsets(limit_paths(chain(big), 40, 1))
    assert subsets(limit_paths(chain(big), 40, 1)) == first
    assert subsets(limit_paths(chain(big), 40, 2)) != first


def test_a_block_keeps_its_paths_whatever_the_blocks_beside_it():
    big = (cell('a', 6, 6, 6), cell('b', 6, 6))
    alone = subsets(limit_paths(chain((cell('x', 2),), big), 40, 3), 1)
    for other in ((cell('x', 6, 6, 6, 6),), (cell('x', 1), cell('y', 6, 6, 6))):
        assert subsets(limit_paths(chain(other, big), 40, 3), 1) == alone


def test_two_blocks_alike_keep_different_paths():
    big = (cell('a', 6, 6, 6),)
    limited = limit_paths(chain(big, big), 40, 0)
    assert subsets(limited, 0) != subsets(limited, 1)


def test_every_path_is_as_likely_as_any_other():
    one, most, runs = cell('a', 4, 3), 4, 3000
    counts = np.zeros(12)
    for seed in range(runs):
        counts[list(subsets(limit_paths(chain((one,)), most, seed))[0])] += 1
    expected = runs * most / 12
    spread = np.sqrt(runs * (most / 12) * (1 - most / 12))
    assert np.abs(counts - expected).max() < 4.5 * spread


def test_the_options_of_every_layer_are_drawn_alike_in_a_cell_of_more_paths_than_64_bits_count():
    one = cell('a', *[4] * 40)
    limited = limit_paths(chain((one,)), 2000, 0).blocks[0].cells[0]
    assert limited.paths == 2000 and limited.all_paths == 4**40
    digits = np.array([limited.digits(path) for path in range(2000)])
    for column, option in itertools.product(range(40), range(4)):
        assert abs((digits[:, column] == option).mean() - 0.25) < 4.5 * np.sqrt(0.25 * 0.75 / 2000)


def test_what_is_limited_keeps_the_rest_of_the_chain():
    whole = chain((cell('a', 6, 6), cell('b', 2)), (cell('c', 3),))
    limited = limit_paths(whole, 10, 0)
    assert limited.blocks[1] == whole.blocks[1]
    assert [one.layers for one in limited.blocks[0].cells] == [one.layers for one in whole.blocks[0].cells]
    assert limited.blocks[0].cells[1].subset is None and limited.all_architectures == whole.all_architectures
