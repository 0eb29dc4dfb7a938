"""Rating tables as files."""

import os

import numpy as np
import pytest

from nni_dna.errors import ResultError
from nni_dna.rating import load_ratings, save_ratings
from nni_dna.spaces import Cell, Layer


def make_cell(name='x', options=('k1', 'k3', 'k5'), layers=2):
    return Cell(name=name, choice={}, layers=tuple(
        Layer(name=str(i), options=tuple({f'{name}{i}': option} for option in options)) for i in range(layers)))


@pytest.fixture
def table(tmp_path):
    path = tmp_path / 'ratings.npz'
    save_ratings(path, make_cell(), np.random.default_rng(0).random(9))
    return path


def test_ratings_come_back_bit_by_bit(table, tmp_path):
    assert np.array_equal(load_ratings(table, make_cell()), np.random.default_rng(0).random(9))
    odd = np.array([0.1, np.inf, np.nan, 1e-300, 3, 4, 5, 6, 7])
    save_ratings(table, make_cell(), odd)
    loaded = load_ratings(table, make_cell())
    assert loaded.dtype == np.float64 and np.array_equal(loaded, odd, equal_nan=True)
    assert os.listdir(tmp_path) == ['ratings.npz']


def test_a_table_is_plain_numpy_without_pickle(table):
    with np.load(table, allow_pickle=False) as file:
        assert np.array_equal(file['ratings'], np.random.default_rng(0).random(9))


def test_a_missing_table_is_a_result_error(tmp_path):
    with pytest.raises(ResultError, match='nowhere.npz: expected a rating table, got FileNotFoundError'):
        load_ratings(tmp_path / 'nowhere.npz', make_cell())


@pytest.mark.parametrize('keep', [0, 1, 30, 0.5, 0.99])
def test_a_truncated_table_is_a_result_error(table, keep):
    content = table.read_bytes()
    table.write_bytes(content[:keep if isinstance(keep, int) else int(keep * len(content))])
    with pytest.raises(ResultError, match='ratings.npz: expected a rating table, got'):
        load_ratings(table, make_cell())


def test_a_flipped_bit_in_the_ratings_is_a_result_error(table):
    content = bytearray(table.read_bytes())
    start = content.index(np.random.default_rng(0).random(9).tobytes())
    content[start + 20] ^= 1
    table.write_bytes(bytes(content))
    with pytest.raises(ResultError, match='expected a rating table, got BadZipFile'):
        load_ratings(table, make_cell())


@pytest.mark.parametrize('cell', [
    make_cell(name='y'), make_cell(options=('k1', 'k5', 'k3')), make_cell(options=('k1', 'k3', 'k7')),
    make_cell(options=('k1', 'k3')), make_cell(layers=3), make_cell(layers=1)],
    ids=['labels', 'order', 'values', 'fewer', 'deeper', 'shallower'])
def test_a_table_of_another_cell_is_a_result_error(table, cell):
    with pytest.raises(ResultError, match=f'ratings.npz: the table rates other paths than those of cell {cell.name}'):
        load_ratings(table, cell)


@pytest.mark.parametrize('shape', [(8,), (10,), (9, 1), (3, 3), ()])
def test_a_table_of_another_shape_is_a_result_error(table, shape):
    save_ratings(table, make_cell(), np.zeros(shape))
    with pytest.raises(ResultError, match='the table rates other paths'):
        load_ratings(table, make_cell())


class Code:
    """An object whose unpickling would create a file."""

    def __init__(self, path):
        self.path = path

    def __reduce__(self):
        return open, (self.path, 'w')


@pytest.mark.parametrize('arrays', [
    lambda code: {'ratings': np.array([code] * 9, dtype=object), 'options': np.array('[]')},
    lambda code: {'ratings': np.zeros(9), 'options': np.array(code, dtype=object)}], ids=['ratings', 'options'])
def test_a_pickle_in_a_table_is_refused_and_not_run(tmp_path, table, arrays):
    proof = tmp_path / 'proof'
    np.savez(table, **arrays(Code(str(proof))))
    with pytest.raises(ResultError, match='expected a rating table, got ValueError.*allow_pickle'):
        load_ratings(table, make_cell())
    assert not proof.exists()


def test_an_npz_without_ratings_is_a_result_error(table):
    np.savez(table, others=np.zeros(9))
    with pytest.raises(ResultError, match='expected a rating table, got KeyError'):
        load_ratings(table, make_cell())
