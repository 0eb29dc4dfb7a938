"""NNI search-space definitions, both ways."""

import json
from pathlib import Path

import nni
import numpy as np
import pytest
from nni import parameter_expressions
from nni.nas.hub import pytorch as hub
from nni.nas.nn.pytorch import MutableConv2d, MutableDropout, Repeat

import toys
from made import all_paths, choice, conv, listed, made, on_meta, proxyless, read, seq
from nni_dna.errors import SpaceError
from nni_dna.spaces import build_space, restrict, to_definition

DIGITS_FILE = Path(__file__).parents[2] / 'search_spaces' / 'digits.json'


@pytest.fixture(scope='module')
def toy():
    return on_meta(toys.Space)


@pytest.fixture(scope='module')
def digits():
    return on_meta(lambda: build_space('digits', {}, num_classes=10))


def architectures(chain):
    return [chain.architecture(paths) for paths in all_paths(chain)]


def test_the_definition_of_the_digits_space_is_the_file_that_ships(digits):
    shipped = json.loads(DIGITS_FILE.read_text())
    assert to_definition(digits) == shipped
    assert list(to_definition(digits)) == list(shipped)


def test_a_definition_lists_every_label_of_the_toy_space(toy):
    both = ['k1', 'k3']
    assert to_definition(toy) == listed(cell=['shallow', 'deep'], a1=both, b1=both, b2=both, c1=both, c2=both)


@pytest.mark.parametrize('definition', [None, {}])
def test_an_empty_definition_restricts_nothing(toy, definition):
    both = ['k1', 'k3']
    assert restrict(toy, definition) == dict(cell=['shallow', 'deep'], a1=both, b1=both, b2=both, c1=both, c2=both)


def test_the_full_definition_restricts_nothing(toy, digits):
    assert restrict(toy, to_definition(toy)) == restrict(toy, None)
    assert restrict(digits, json.loads(DIGITS_FILE.read_text())) == restrict(digits, None)
    assert read(toy, definition=to_definition(toy)) == read(toy)


@pytest.mark.parametrize('definition', [
    listed(cell=['deep']),
    listed(a1=['k3']),
    listed(cell=['shallow'], a1=['k1'], c2=['k3']),
    listed(c1=['k1'], c2=['k1'], b1=['k3'], b2=['k3']),
    listed(a1=['k3'], b1=['k1'], b2=['k1'], c1=['k1', 'k3']),
], ids=['cell', 'one option', 'cell and options', 'options of all', 'options of the first block'])
def test_a_restricted_chain_has_exactly_the_architectures_that_the_definition_allows(toy, definition):
    whole = architectures(read(toy))
    expected = [sample for sample in whole
                if all(value in definition[label]['_value'] for label, value in sample.items() if label in definition)]
    assert architectures(read(toy, definition=definition)) == expected
    assert 0 < len(expected) < len(whole)


def test_a_definition_in_another_order_gives_the_order_of_the_model_space(toy):
    reordered = {label: {**spec, '_value': spec['_value'][::-1]}
                 for label, spec in reversed(to_definition(toy).items())}
    assert restrict(toy, reordered) == restrict(toy, None)
    assert list(restrict(toy, reordered)) == list(restrict(toy, None))
    turned = read(toy, definition=listed(cell=['deep', 'shallow']))
    assert [cell.name for cell in turned.blocks[0].cells] == ['shallow', 'deep']


def test_a_label_that_a_definition_leaves_out_keeps_its_values(toy):
    assert restrict(toy, listed(cell=['deep'], c1=['k1'])) == dict(
        cell=['deep'], a1=['k1', 'k3'], b1=['k1', 'k3'], b2=['k1', 'k3'], c1=['k1'], c2=['k1', 'k3'])


def test_restricting_leaves_the_space_as_it_was(toy):
    before = to_definition(toy)
    restricted = restrict(toy, listed(cell=['deep'], c1=['k1']))
    restricted['a1'].append('mine')
    assert to_definition(toy) == before
    assert restrict(toy, None)['a1'] == ['k1', 'k3']


def kernels():
    return made(lambda: {'a': seq(conv(nni.choice('k', [1, 3, 5])))})


def test_values_that_are_numbers_survive_json():
    space = kernels()
    assert restrict(space, json.loads('{"k": {"_type": "choice", "_value": [5, 1]}}')) == {'k': [1, 5]}
    with pytest.raises(SpaceError, match="no value '5'"):
        restrict(space, listed(k=['5']))


@pytest.mark.parametrize('definition, values', [
    ({'_type': 'choice', '_value': [1.0, 5]}, [1, 5]),
    ({'_type': 'randint', '_value': [3, 4]}, [3]),
    ({'_type': 'quniform', '_value': [1, 5, 4]}, None),
    ({'_type': 'quniform', '_value': [2.6, 3.4, 3]}, [3]),
], ids=['floats that are whole', 'randint', 'quniform beside the values', 'quniform'])
def test_numbers_restrict_as_the_equal_numbers_of_the_space(definition, values):
    space = kernels()
    if values is None:
        with pytest.raises(SpaceError, match="label 'k': the model space has no value"):
            restrict(space, {'k': definition})
    else:
        assert restrict(space, {'k': definition}) == {'k': values}
        assert all(type(value) is int for value in restrict(space, {'k': definition})['k'])


@pytest.mark.parametrize('kind, value', [
    ('randint', [2, 7]), ('quniform', [1, 9, 4]), ('quniform', [2, 8, 2]), ('quniform', [2, 8, 3]), ('quniform', [1, 9, 1])])
def test_a_range_lists_the_values_that_nnis_own_sampler_draws(kind, value):
    space = made(lambda: {'a': Repeat(lambda index: conv(), (1, 9), label='d')})
    drawn = {getattr(parameter_expressions, kind)(*value, np.random.RandomState(seed)) for seed in range(300)}
    assert restrict(space, {'d': {'_type': kind, '_value': value}}) == {'d': sorted(int(v) for v in drawn)}


def test_values_that_are_tuples_survive_json():
    space = made(lambda: {'a': MutableConv2d(3, 3, nni.choice('k', [(1, 3), (3, 1)]))})
    definition = json.loads(json.dumps(to_definition(space)))
    assert restrict(space, definition) == {'k': [(1, 3), (3, 1)]}
    definition['k']['_value'].pop(0)
    assert restrict(space, definition) == {'k': [(3, 1)]}


def test_the_definition_of_a_depth_is_the_range_that_restricts_nothing():
    space = on_meta(proxyless)
    definition = json.loads(json.dumps(to_definition(space)))
    assert definition['s2_depth'] == {'_type': 'choice', '_value': [1, 2, 3, 4]}
    assert restrict(space, definition) == restrict(space, None)


def test_a_space_that_cannot_be_cut_can_be_written_as_a_definition():
    space = on_meta(lambda: hub.AutoFormer(search_embed_dim=(96,), search_mlp_ratio=(3., 4.), search_num_heads=(3,),
                                           search_depth=(1, 2)))
    definition = to_definition(space)
    assert definition['depth'] == {'_type': 'choice', '_value': [1, 2]}
    assert restrict(space, definition) == restrict(space, None)


def test_a_choice_of_several_values_at_once_cannot_be_written_as_a_definition():
    space = on_meta(lambda: hub.DARTS(width=8, num_cells=3, dataset='cifar'))
    with pytest.raises(SpaceError, match='label .* of DARTS cannot be written in a search-space file: CategoricalMultiple'):
        to_definition(space)


def test_a_continuous_choice_is_neither_written_nor_restricted():
    space = made(lambda: {'a': choice('a'), 'drop': MutableDropout(nni.uniform('p', 0, 1))})
    with pytest.raises(SpaceError, match="label 'p' of Made cannot be written .*no choice of one among listed values"):
        to_definition(space)
    with pytest.raises(SpaceError, match="label 'p': expected a choice of one among listed values.*write it as nni.choice"):
        restrict(space, None)


@pytest.mark.parametrize('definition, message', [
    (['cell'], 'expected a mapping of label.*got list'),
    ('cell', 'expected a mapping of label.*got str'),
    (listed(cel=['deep']), "no label 'cel'; nearest known: cell"),
    (listed(c9=['k1']), "no label 'c9'; nearest known: .*c1"),
    (listed(cell=['deeep']), "label 'cell': the model space has no value 'deeep'; nearest known: deep"),
    (listed(a1=['k1', 'k5']), "label 'a1': the model space has no value 'k5'"),
    (listed(a1=[]), "label 'a1': expected at least one value, got an empty list"),
    ({'a1': ['k1']}, r"label 'a1': expected .*_type.*got \['k1'\]"),
    ({'a1': None}, "label 'a1': expected .*got None"),
    ({'a1': {'_type': 'uniform', '_value': [0, 1]}}, "label 'a1': expected .*got .*uniform"),
    ({'a1': {'_type': 'choice'}}, "label 'a1': expected"),
    ({'a1': {'_value': ['k1']}}, "label 'a1': expected"),
    ({'a1': {'_type': 'choice', '_value': 'k1'}}, "label 'a1': expected"),
    ({'a1': {'_type': 'choice', '_value': {'k1': 1}}}, "label 'a1': expected"),
    ({'a1': {'_type': 'randint', '_value': [1]}}, "label 'a1': expected 2 numbers for randint"),
    ({'a1': {'_type': 'randint', '_value': [1, 'k1']}}, "label 'a1': expected 2 numbers for randint"),
    ({'a1': {'_type': 'randint', '_value': [1, float('inf')]}}, "label 'a1': expected 2 numbers for randint"),
    ({'a1': {'_type': 'randint', '_value': [3, 3]}}, "label 'a1': expected at least one value"),
    ({'a1': {'_type': 'quniform', '_value': [1, 3]}}, "label 'a1': expected 3 numbers for quniform"),
    ({'a1': {'_type': 'quniform', '_value': [1, 3, 0]}}, "label 'a1': expected a positive step"),
    ({'a1': {'_type': 'quniform', '_value': [1, 3, -1]}}, "label 'a1': expected a positive step"),
])
def test_a_wrong_definition_is_refused_and_the_nearest_known_is_named(toy, definition, message):
    with pytest.raises(SpaceError, match=message):
        restrict(toy, definition)
