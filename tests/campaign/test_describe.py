"""The table of blocks that is printed before anything is trained."""

from __future__ import annotations

import math
import re

import pytest
from running import make_setup

from nni_dna.campaign.describe import describe

HEAD = ['block', 'modules', 'cells', 'layers', 'candidates', 'paths', 'rated', 'output', 'teacher stage', 'its output']
FOUND = {'space': {'name': 'toys.Scaled'}, 'teacher': {'stages': None}}


def table(text):
    """The title, and the rows by column; columns are two blanks apart or more."""
    title, *lines = text.splitlines()
    head, *rows = [re.split(r' {2,}', line) for line in lines]
    assert head == HEAD
    return title, [dict(zip(HEAD, row, strict=True)) for row in rows]


def test_a_block_is_a_row_with_its_modules_cells_paths_shapes_and_stage(tmp_path):
    title, rows = table(describe(make_setup(tmp_path / 'work')))
    assert title == '24 architectures in 2 blocks'
    assert [list(row.values()) for row in rows] == [
        ['block1', 'blocks.0', '2', '2', '2', '6', 'all', '4x8x8 6x8x8', 'stage1', '8x8x8'],
        ['block2', 'blocks.1.0 to blocks.1.1', '1', '2', '2', '4', 'all', '8x4x4', 'stage2', '16x4x4']]


def test_depths_and_widths_are_counted_as_cells_of_as_many_layers_as_the_deepest_has(tmp_path):
    title, rows = table(describe(make_setup(tmp_path / 'work', **FOUND)))
    assert title == '72 architectures in 2 blocks'
    assert [list(row.values()) for row in rows] == [
        ['block1', 'first to more', '4', '2', '2', '12', 'all', '3x8x8 5x8x8', 'stage1', '8x8x8'],
        ['block2', 'down to last', '2', '2', '2', '6', 'all', '8x4x4', 'stage2', '16x4x4']]


@pytest.mark.parametrize(['most', 'rated'], [(12, ['all', 'all']), (11, ['11', 'all']), (6, ['6', 'all']), (5, ['5', '5'])])
def test_what_is_rated_stands_beside_all_paths(tmp_path, most, rated):
    title, rows = table(describe(make_setup(tmp_path / 'work', **FOUND, rate={'max_paths': most})))
    assert title == '72 architectures in 2 blocks'
    assert [row['paths'] for row in rows] == ['12', '6']
    assert [row['rated'] for row in rows] == rated


def test_a_search_space_shrinks_the_table(tmp_path):
    definition = {'more': {'_type': 'choice', '_value': [1]}, 'first': {'_type': 'choice', '_value': ['k3']}}
    title, rows = table(describe(make_setup(tmp_path / 'work', definition, **FOUND)))
    assert title == '24 architectures in 2 blocks'
    assert [(row['cells'], row['paths'], row['output']) for row in rows] == [('2', '4', '3x8x8 5x8x8'), ('2', '6', '8x4x4')]


def test_large_numbers_are_grouped_and_what_runs_before_the_blocks_is_named(tmp_path):
    title, rows = table(describe(make_setup(tmp_path / 'work', data={'image_size': 64}, space={'name': 'dna'},
                                            teacher={'name': 'efficientnet_b0', 'stages': None}, rate={'max_paths': 2000})))
    cells = [[2, 3, 2], [2, 3, 4], [2, 3, 4], [3, 4, 4], [4, 5, 5], [1]]  # their layers, of six candidates each
    paths = [sum(6 ** depth for depth in depths) for depths in cells]
    assert title == f'{math.prod(paths):,} architectures in 6 blocks; before the first block: stem'
    assert [row['paths'] for row in rows] == [f'{count:,}' for count in paths]
    assert [row['rated'] for row in rows] == ['all', 'all', 'all', '2,000', '2,000', 'all']


def test_blocks_that_the_user_named_are_the_rows(tmp_path):
    title, rows = table(describe(make_setup(tmp_path / 'work', space={'name': 'toys.Scaled', 'blocks': ['last']},
                                            teacher={'stages': None})))
    assert title == '72 architectures in 1 block'
    assert [(row['modules'], row['cells'], row['layers'], row['paths'], row['teacher stage']) for row in rows] == [
        ('first to last', '8', '4', '72', 'stage2')]
