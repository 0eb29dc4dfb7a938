"""The cost tables in the work folder: read back as they were written, or refused."""

from __future__ import annotations

import json
from types import SimpleNamespace

import numpy as np
import pytest
import toys
import torch

from nni_dna.campaign.stored import load_costs, save_costs
from nni_dna.cost import cost_tables
from nni_dna.errors import ResultError
from nni_dna.spaces import Block, Cell, Chain, Layer
from nni_dna.spaces.subset import limit_paths


def as_json(value):
    return json.loads(json.dumps(value))


@pytest.mark.parametrize('most', [20_000, 5])
@pytest.mark.parametrize('space', [toys.Space, toys.Scaled])
def test_chain_and_costs_are_read_back(tmp_path, space, most):
    chain = limit_paths(toys.read_chain(space()), most, seed=0)
    with torch.device('meta'):
        costs = cost_tables(space(), chain, (3, 16, 16))
    save_costs(tmp_path / 'costs.npz', chain, (3, 16, 16), costs)
    found = load_costs(tmp_path / 'costs.npz')
    assert found.chain == chain
    assert (found.image_shape, found.names) == ((3, 16, 16), ('params', 'madds'))
    for table, expected in zip(found.columns(), [*costs.blocks, costs.rest], strict=True):
        assert np.array_equal(table, expected) and table.dtype == np.float64


def test_values_that_json_changes_are_those_of_the_ranking_file(tmp_path):
    layer = Layer(name='a', options=({'kernel': (1, 3)}, {'kernel': (3, 1)}))
    cell = Cell(name='c', choice={'depth': 2, 'wide': True}, layers=(layer, layer), subset=(0, 3), supernet='c')
    chain = Chain(blocks=(Block(name='block1', modules=('a',), cells=(cell,), handed_on=('depth',), incoming={'w': (1,)}),),
                  stem=('s',), fixed={'f': None})
    costs = load_saved(tmp_path, chain)
    assert (costs.names, costs.whole, costs.peaks) == (('params', 'memory'), (True, False), (1,))
    assert [costs.chain.architecture((path,)) for path in (0, 1)] == as_json([chain.architecture((path,)) for path in (0, 1)])
    block = costs.chain.blocks[0]
    assert (costs.chain.stem, block.handed_on, block.cells[0].subset) == (('s',), ('depth',), (0, 3))


def load_saved(folder, chain):
    tables = [*(np.ones((1, block.paths, 2)) for block in chain.blocks), np.zeros((1, 2))]
    costs = SimpleNamespace(names=('params', 'memory'), whole=(True, False), peaks=(1,), columns=lambda: tables)
    save_costs(folder / 'costs.npz', chain, (1, 8, 8), costs)
    return load_costs(folder / 'costs.npz')


def test_the_same_tables_are_the_same_bytes(tmp_path):
    chain = toys.read_chain()
    first, second = tmp_path / 'first', tmp_path / 'second'
    for folder in (first, second):
        folder.mkdir()
        load_saved(folder, chain)
    assert (first / 'costs.npz').read_bytes() == (second / 'costs.npz').read_bytes()


def rewrite(file, **changes):
    with np.load(file) as found:
        header = {**json.loads(found['header'].tobytes()), **changes}
        arrays = {name: found[name] for name in found.files if name != 'header'}
    np.savez(file, header=np.frombuffer(json.dumps(header).encode(), dtype=np.uint8), **arrays)


@pytest.mark.parametrize('damage, message', [
    (lambda file: file.write_bytes(file.read_bytes()[:100]), 'expected cost tables, got'),
    (lambda file: rewrite(file, version=2), 'expected version 1 of the format, got 2'),
    (lambda file: rewrite(file, chain={}), 'expected cost tables, got KeyError'),
    (lambda file: np.savez(file, header=np.array([{}], dtype=object)), 'expected cost tables, got ValueError'),
    (lambda file: file.unlink(), 'expected cost tables, got FileNotFoundError')],
    ids=['cut off', 'version', 'no chain', 'pickle', 'missing'])
def test_a_damaged_file_is_refused_with_the_remedy(tmp_path, damage, message):
    load_saved(tmp_path, toys.read_chain())
    damage(tmp_path / 'costs.npz')
    with pytest.raises(ResultError, match=f'costs.npz: {message}.* start the experiment again'):
        load_costs(tmp_path / 'costs.npz')
