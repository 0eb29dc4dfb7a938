"""Rating tables as files."""

import dataclasses
import os

import numpy as np
import pytest

from nni_dna.errors import ResultError
from nni_dna.rating import load_ratings, save_ratings
from nni_dna.spaces import Cell, Layer

NUMBERS = np.random.default_rng(0).random(9)


def make_cell(name='x', options=('k1', 'k3', 'k5'), layers=2, choice=None, subset=None):
    return Cell(name=name, choice=choice or {}, subset=subset, layers=tuple(
        Layer(name=str(i), options=tuple({f'{name}{i}': option} for option in options)) for i in range(layers)))


def scaled_cells():
    """Three depths of one supernet: 3, 9 and (some of) 27 paths."""
    return [make_cell(layers=depth, choice={'depth': depth}, subset=(4, 25) if depth == 3 else None) for depth in (1, 2, 3)]


@pytest.fixture
def table(tmp_path):
    path = tmp_path / 'ratings.npz'
    save_ratings(path, [make_cell()], [NUMBERS])
    return path


def test_ratings_come_back_bit_by_bit(table, tmp_path):
    loaded, = load_ratings(table, [make_cell()])
    assert np.array_equal(loaded, NUMBERS)
    odd = np.array([0.1, np.inf, np.nan, 1e-300, 3, 4, 5, 6, 7])
    save_ratings(table, [make_cell()], [odd])
    loaded, = load_ratings(table, [make_cell()])
    assert loaded.dtype == np.float64 and np.array_equal(loaded, odd, equal_nan=True)
    assert os.listdir(tmp_path) == ['ratings.npz']


def test_the_ratings_of_several_cells_come_back_cell_by_cell(tmp_path):
    tables = np.split(np.random.default_rng(1).random(14), [3, 12])
    save_ratings(tmp_path / 'ratings.npz', scaled_cells(), tables)
    loaded = load_ratings(tmp_path / 'ratings.npz', scaled_cells())
    assert [part.tolist() for part in loaded] == [part.tolist() for part in tables]
    with np.load(tmp_path / 'ratings.npz', allow_pickle=False) as file:
        assert np.array_equal(file['ratings'], np.concatenate(tables))


def test_a_table_is_plain_numpy_without_pickle(table):
    with np.load(table, allow_pickle=False) as file:
        assert np.array_equal(file['ratings'], NUMBERS)


def test_a_missing_table_is_a_result_error(tmp_path):
    with pytest.raises(ResultError, match='nowhere.npz: expected a rating table, got FileNotFoundError'):
        load_ratings(tmp_path / 'nowhere.npz', [make_cell()])


@pytest.mark.parametrize('keep', [0, 1, 30, 0.5, 0.99])
def test_a_truncated_table_is_a_result_error(table, keep):
    content = table.read_bytes()
    table.write_bytes(content[:keep if isinstance(keep, int) else int(keep * len(content))])
    with pytest.raises(ResultError, match='ratings.npz: expected a rating table, got'):
        load_ratings(table, [make_cell()])


def test_a_flipped_bit_in_the_ratings_is_a_result_error(table):
    content = bytearray(table.read_bytes())
    start = content.index(NUMBERS.tobytes())
    content[start + 20] ^= 1
    table.write_bytes(bytes(content))
    with pytest.raises(ResultError, match='expected a rating table, got BadZipFile'):
        load_ratings(table, [make_cell()])


@pytest.mark.parametrize('cell', [
    make_cell(name='y'), make_cell(options=('k1', 'k5', 'k3')), make_cell(options=('k1', 'k3', 'k7')),
    make_cell(options=('k1', 'k3')), make_cell(layers=3), make_cell(layers=1), make_cell(choice={'width': 4}),
    make_cell(layers=3, subset=tuple(range(9))), make_cell(subset=tuple(range(9)))],
    ids=['labels', 'order', 'values', 'fewer', 'deeper', 'shallower', 'width', 'subset of more', 'subset'])
def test_a_table_of_another_cell_is_a_result_error(table, cell):
    with pytest.raises(ResultError, match=f'ratings.npz: the table rates other paths than those of cells {cell.name}'):
        load_ratings(table, [cell])


@pytest.mark.parametrize('change', [
    lambda cells: cells[:2], lambda cells: cells[::-1], lambda cells: [*cells, make_cell(layers=4, choice={'depth': 4})],
    lambda cells: [*cells[:2], dataclasses.replace(cells[2], subset=(4, 26))],
    lambda cells: [*cells[:2], dataclasses.replace(cells[2], choice={'depth': 4})]],
    ids=['fewer', 'order', 'more', 'subset', 'depth'])
def test_a_table_of_other_cells_of_the_supernet_is_a_result_error(tmp_path, change):
    save_ratings(tmp_path / 'ratings.npz', scaled_cells(), [np.zeros(count) for count in (3, 9, 2)])
    with pytest.raises(ResultError, match='the table rates other paths than those of cells x, x'):
        load_ratings(tmp_path / 'ratings.npz', change(scaled_cells()))


@pytest.mark.parametrize('shape', [(8,), (10,), (9, 1), (3, 3), ()])
def test_a_table_of_another_shape_is_a_result_error(table, shape):
    with np.load(table, allow_pickle=False) as file:
        paths = file['paths']
    np.savez(table, ratings=np.zeros(shape), paths=paths)
    with pytest.raises(ResultError, match='the table rates other paths'):
        load_ratings(table, [make_cell()])


class Code:
    """An object whose unpickling would create a file."""

    def __init__(self, path):
        self.path = path

    def __reduce__(self):
        return open, (self.path, 'w')


@pytest.mark.parametrize('arrays', [
    lambda code: {'ratings': np.array([code] * 9, dtype=object), 'paths': np.array('[]')},
    lambda code: {'ratings': np.zeros(9), 'paths': np.array(code, dtype=object)}], ids=['ratings', 'paths'])
def test_a_pickle_in_a_table_is_refused_and_not_run(tmp_path, table, arrays):
    proof = tmp_path / 'proof'
    np.savez(table, **arrays(Code(str(proof))))
    with pytest.raises(ResultError, match='expected a rating table, got ValueError.*allow_pickle'):
        load_ratings(table, [make_cell()])
    assert not proof.exists()


def test_an_npz_without_ratings_is_a_result_error(table):
    np.savez(table, others=np.zeros(9))
    with pytest.raises(ResultError, match='expected a rating table, got KeyError'):
        load_ratings(table, [make_cell()])
