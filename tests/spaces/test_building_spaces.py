"""Model spaces by name and by import path."""

import pytest
import torch
from torch import nn
from nni.nas.nn.pytorch import ModelSpace

import toys
from nni_dna.errors import SettingsError, SpaceError
from nni_dna.spaces import SPACES, build_space

user_space = '''
import toys
from torch import nn

class Untold(toys.Space):
    """Takes no num_classes."""
    def __init__(self):
        super().__init__(7)

class Failing(toys.Space):
    def __init__(self, width, num_classes):
        raise RuntimeError('no room for ' + str(width))

def make(**kwargs):
    return toys.Space(**kwargs)

def network():
    return nn.Linear(2, 2)

number = 3
'''


@pytest.fixture
def user_module(tmp_path, monkeypatch):
    """The name of a user's module that can be imported."""
    (tmp_path / 'user_space_module.py').write_text(user_space)
    monkeypatch.syspath_prepend(tmp_path)
    return 'user_space_module'


@pytest.mark.parametrize('name', SPACES)
def test_a_space_by_name_is_built_for_the_number_of_classes(name):
    with torch.device('meta'):
        space = build_space(name, {}, num_classes=17)
    assert isinstance(space, ModelSpace)
    last = [module for module in space.modules() if isinstance(module, nn.Linear)][-1]
    assert last.out_features == 17


def test_another_table_of_cells_is_a_setting():
    space = build_space('dna', {'blocks': [{'stride': 2, 'cells': ['2x8', '3x8']}], 'kernel_sizes': [3]}, 4)
    assert set(space.simplify()) == {'block1/cell', *(f'block1/2x8/layer{i}' for i in (1, 2)),
                                     *(f'block1/3x8/layer{i}' for i in (1, 2, 3))}


def test_arguments_reach_the_constructor_and_win_over_the_task():
    with torch.device('meta'):
        space = build_space('digits', {'head_width': 20, 'num_classes': 3}, num_classes=10)
    assert space.classifier.in_features == 20 and space.classifier.out_features == 3


@pytest.mark.parametrize('path', ['toys.Space', 'toys:Space'])
def test_a_space_by_import_path_is_built_for_the_number_of_classes(path):
    space = build_space(path, {}, num_classes=9)
    assert isinstance(space, toys.Space)
    assert space.classifier.out_features == 9


def test_a_function_that_makes_a_space_does_too(user_module):
    assert build_space(f'{user_module}.make', {}, num_classes=9).classifier.out_features == 9


def test_a_space_that_takes_no_number_of_classes_is_not_given_one(user_module):
    space = build_space(f'{user_module}.Untold', {}, num_classes=9)
    assert space.classifier.out_features == 7
    assert toys.read_chain(space).architectures == 24


@pytest.mark.parametrize('name, error, message', [
    ('digit', SpaceError,
     'space.name: expected one of dna, digits, proxylessnas, mobilenetv3, shufflenet or an import path, '
     "got 'digit'; nearest known: digits"),
    ('toys.Spaze', SettingsError, "space.name: module 'toys' has no 'Spaze'"),
    ('no_such_module_at_all.Space', SettingsError, "space.name: cannot import module 'no_such_module_at_all'"),
    ('toys.', SettingsError, 'space.name: expected an import path'),
    ('.Space', SettingsError, 'space.name: expected an import path'),
    ('torch.nn.Identity', SpaceError, 'space.name: expected .* to give an .*ModelSpace, got Identity'),
    ('math.pi', SpaceError, "space.args: building 'math.pi' with {} failed: TypeError"),
])
def test_a_name_that_is_no_space_is_refused(name, error, message):
    with pytest.raises(error, match=message):
        build_space(name, {}, num_classes=4)


def test_a_module_that_gives_a_plain_network_is_refused(user_module):
    with pytest.raises(SpaceError, match='ModelSpace, got Linear'):
        build_space(f'{user_module}.network', {}, num_classes=4)


def test_a_constructor_that_fails_says_how(user_module):
    with pytest.raises(SpaceError, match="args: .*Failing' with {'width': 8} failed: RuntimeError: no room for 8"):
        build_space(f'{user_module}.Failing', {'width': 8}, num_classes=4)


@pytest.mark.parametrize('args, message', [
    ({'depth': 3}, "space.args: .*TypeError.*'depth'"),
    ({'kernel_sizes': []}, 'space.args: building'),
])
def test_a_wrong_argument_is_a_space_error(args, message):
    with pytest.raises(SpaceError, match=message):
        build_space('digits', args, num_classes=4)


def test_a_wrong_cell_table_keeps_its_own_message():
    with pytest.raises(SpaceError, match="^block1: expected a cell written LAYERSxWIDTH, such as 3x24, got 'wide'$"):
        build_space('nni_dna.spaces.DNASpace', {'blocks': [{'stride': 2, 'cells': ['wide']}]}, num_classes=4)
