"""NNI search-space definitions, both ways."""

import itertools
import json
from pathlib import Path

import pytest
import torch

import toys
from nni_dna.errors import SpaceError
from nni_dna.spaces import build_space, read_chain, restrict, to_definition

DIGITS_FILE = Path(__file__).parents[2] / 'search_spaces' / 'digits.json'


@pytest.fixture(scope='module')
def toy():
    return read_chain(toys.Space())


@pytest.fixture(scope='module')
def digits():
    with torch.device('meta'):
        return read_chain(build_space('digits', {}, num_classes=10))


def listed(**labels):
    return {label: {'_type': 'choice', '_value': values} for label, values in labels.items()}


def architectures(chain):
    return [chain.architecture(paths) for paths in itertools.product(*(range(block.paths) for block in chain.blocks))]


def test_the_definition_of_the_digits_space_is_the_file_that_ships(digits):
    shipped = json.loads(DIGITS_FILE.read_text())
    assert to_definition(digits) == shipped
    assert list(to_definition(digits)) == list(shipped)


def test_a_definition_lists_every_label_of_the_toy_space(toy):
    both = ['k1', 'k3']
    assert to_definition(toy) == listed(cell=['shallow', 'deep'], a1=both, b1=both, b2=both, c1=both, c2=both)


@pytest.mark.parametrize('definition', [None, {}])
def test_an_empty_definition_restricts_nothing(toy, definition):
    assert restrict(toy, definition) == toy


def test_the_full_definition_restricts_nothing(toy, digits):
    assert restrict(toy, to_definition(toy)) == toy
    assert restrict(digits, json.loads(DIGITS_FILE.read_text())) == digits


@pytest.mark.parametrize('definition', [
    listed(cell=['deep']),
    listed(a1=['k3']),
    listed(cell=['shallow'], a1=['k1'], c2=['k3']),
    listed(c1=['k1'], c2=['k1'], b1=['k3'], b2=['k3']),
], ids=['cell', 'one option', 'cell and options', 'options of all'])
def test_a_restricted_chain_has_exactly_the_architectures_that_the_definition_allows(toy, definition):
    expected = [sample for sample in architectures(toy)
                if all(value in definition[label]['_value'] for label, value in sample.items() if label in definition)]
    assert architectures(restrict(toy, definition)) == expected
    assert 0 < len(expected) < toy.architectures


def test_a_definition_in_another_order_gives_the_order_of_the_model_space(toy):
    reordered = {label: {**spec, '_value': spec['_value'][::-1]}
                 for label, spec in reversed(to_definition(toy).items())}
    assert restrict(toy, reordered) == toy
    turned = restrict(toy, listed(cell=['deep', 'shallow']))
    assert [cell.name for cell in turned.blocks[0].cells] == ['shallow', 'deep']


def test_a_restricted_chain_writes_the_definition_that_made_it(toy):
    definition = listed(cell=['deep'], b1=['k3'], b2=['k1', 'k3'], c1=['k1'], c2=['k1', 'k3'])
    assert to_definition(restrict(toy, definition)) == definition


def test_restricting_leaves_the_chain_as_it_was(toy):
    before = to_definition(toy)
    restrict(toy, listed(cell=['deep'], c1=['k1']))
    assert to_definition(toy) == before


def test_values_that_are_numbers_survive_json():
    import nni
    from torch import nn
    from nni.nas.nn.pytorch import ModelSpace, MutableConv2d

    class Kernels(ModelSpace):
        def __init__(self):
            super().__init__()
            self.blocks = nn.Sequential(nn.Sequential(MutableConv2d(3, 3, nni.choice('k', [1, 3, 5]))))

    chain = read_chain(Kernels())
    restricted = restrict(chain, json.loads('{"k": {"_type": "choice", "_value": [5, 1]}}'))
    assert [sample['k'] for sample in architectures(restricted)] == [1, 5]
    with pytest.raises(SpaceError, match="no value '5'"):
        restrict(chain, listed(k=['5']))


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
])
def test_a_wrong_definition_is_refused_and_the_nearest_known_is_named(toy, definition, message):
    with pytest.raises(SpaceError, match=message):
        restrict(toy, definition)
