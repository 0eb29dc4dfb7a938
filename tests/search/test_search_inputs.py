"""What the search refuses."""

import numpy as np
import pytest

from nni_dna.errors import SettingsError
from nni_dna.search import BlockTable, search


def _table(shape=(1, 2, 1), **changes):
    values = {'ratings': np.zeros(shape[1]), 'costs': np.zeros(shape), 'border': np.zeros(shape[1], dtype=np.int64)}
    return BlockTable(**{**values, **changes})


@pytest.mark.parametrize('changes, message', [
    ({'ratings': np.zeros((2, 1))}, r'`ratings` of shape \(P,\)'),
    ({'ratings': np.zeros(3)}, r'`costs` of shape \(B_in, 3, C\)'),
    ({'costs': np.zeros((2, 1))}, r'`costs` of shape \(B_in, 2, C\)'),
    ({'costs': np.zeros((0, 2, 1))}, r'`costs` of shape \(B_in, 2, C\)'),
    ({'border': np.zeros(1, dtype=int)}, r'`border` of shape \(2,\)'),
    ({'border': np.zeros(2)}, '`border` to hold integers'),
    ({'border': np.array([0, -1])}, 'indices from 0 on, but got -1'),
    ({'ratings': np.array([0.0, -np.inf])}, 'cannot be -inf, but that of path 1'),
    ({'costs': np.array([[[0.0], [np.nan]]])}, 'finite `costs`'),
    ({'costs': np.array([[[0.0], [np.inf]]])}, 'finite `costs`'),
])
def test_a_table_whose_parts_do_not_fit_is_refused(changes, message):
    with pytest.raises(SettingsError, match=message):
        _table(**changes)


def test_numbers_of_other_types_are_taken_as_float64():
    table = _table(ratings=[1, 2], costs=[[[1], [2]]], border=np.array([0, 1], dtype=np.uint8))
    assert (table.ratings.dtype, table.costs.dtype, table.border.dtype) == (np.float64, np.float64, np.int64)


@pytest.mark.parametrize('tables, message', [
    ([], 'at least one block'),
    ([_table((2, 2, 1))], r'B_in = 1'),
    ([_table(), _table((1, 2, 2))], 'table 1 has 2'),
    ([_table(border=np.array([0, 1])), _table()], 'table 1 to have costs for at least 2 border states'),
    ([_table(), _table(ratings=np.array([np.nan, np.inf]))], 'table 1 has none among its 2 paths'),
    ([_table((1, 0, 1))], 'table 0 has none among its 0 paths'),
    ([_table(ratings=np.array([0, 1e308])), _table(ratings=np.array([0, 1e308]))], 'overflow'),
])
def test_tables_that_do_not_fit_each_other_are_refused(tables, message):
    with pytest.raises(SettingsError, match=message):
        search(tables, limits=[1])


@pytest.mark.parametrize('options, message', [
    ({'limits': []}, '`limits` to hold one number for each of the 1 costs'),
    ({'limits': [1, 2]}, '`limits` to hold one number'),
    ({'limits': [np.nan]}, 'NaN; use inf'),
    ({'top_k': 0}, '`top_k` to be a whole number of at least 1, but got 0'),
    ({'top_k': 1.0}, '`top_k` to be a whole number'),
    ({'top_k': True}, '`top_k` to be a whole number'),
    ({'limit_names': ['a', 'b']}, '`limit_names` to hold 1 different names'),
    ({'limit_names': 'a'}, '`limit_names` to hold 1 different names'),
    ({'tail_costs': np.zeros(1)}, r'`tail_costs` of shape \(1 or more, 1\)'),
    ({'tail_costs': np.zeros((1, 2))}, r'`tail_costs` of shape \(1 or more, 1\)'),
    ({'tail_costs': np.array([[np.nan]])}, '`tail_costs` to be finite'),
])
def test_an_option_out_of_range_is_refused(options, message):
    with pytest.raises(SettingsError, match=message):
        search([_table()], **{'limits': [1], **options})
