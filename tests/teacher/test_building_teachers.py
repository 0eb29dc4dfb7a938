"""Teachers by name and by import path, with their weights."""

import sys

import pytest
import timm
import torch
import torchvision
from torch import nn

import toys
from nni_dna.errors import SettingsError, TeacherError, WeightsError
from nni_dna.settings.sections import TeacherSettings
from nni_dna.teacher import build_network, load_pretrained, ready_teacher
from nni_dna.weights import save_weights


def settings(name, **changes):
    return TeacherSettings(name=name, stages=['stage1', 'stage2'], **changes)


user_teachers = '''
import torch
import toys

def plain(width):
    """Takes no num_classes."""
    return toys.Teacher(num_classes=6, width=width)

def failing(num_classes):
    raise RuntimeError('no such width')

def no_module(num_classes):
    return 3
'''


@pytest.fixture
def user_module(tmp_path, monkeypatch):
    (tmp_path / 'user_teacher_module.py').write_text(user_teachers)
    monkeypatch.syspath_prepend(tmp_path)
    return 'user_teacher_module'


def test_a_torchvision_classifier_is_built_for_the_number_of_classes():
    network = build_network(settings('resnet18'), num_classes=7)
    assert isinstance(network, torchvision.models.ResNet)
    assert network.fc.out_features == 7


def test_arguments_reach_the_builder_and_win_over_the_task():
    network = build_network(settings('toys.Teacher', args={'num_classes': 3, 'width': 5}), num_classes=7)
    assert network.classifier.out_features == 3 and network.stage1[0].out_channels == 5


@pytest.mark.parametrize('path', ['toys.Teacher', 'toys:Teacher'])
def test_a_teacher_by_import_path_is_built_for_the_number_of_classes(path):
    network = build_network(settings(path), num_classes=7)
    assert isinstance(network, toys.Teacher) and network.classifier.out_features == 7


def test_a_builder_that_takes_no_number_of_classes_is_not_given_one(user_module):
    assert build_network(settings(f'{user_module}.plain', args={'width': 3}), 9).classifier.out_features == 6


@pytest.mark.parametrize('name, args, error, message', [
    ('resnet81', {}, TeacherError, "torchvision has no classifier 'resnet81'.*nearest known: .*resnet18"),
    ('effnet_b7', {}, TeacherError, 'nearest known: .*efficientnet_b7'),
    ('fcn_resnet50', {}, TeacherError, "no classifier 'fcn_resnet50'"),
    ('toys.Techer', {}, SettingsError, "teacher.name: module 'toys' has no 'Techer'"),
    ('no_such_teacher_module.T', {}, SettingsError, "teacher.name: cannot import module 'no_such_teacher_module'"),
    ('resnet18', {'colour': 1}, TeacherError, "teacher.args: building 'resnet18' with {'colour': 1} failed: TypeError"),
    ('user_teacher_module.failing', {}, TeacherError, 'teacher.args: .* failed: RuntimeError: no such width'),
    ('user_teacher_module.no_module', {}, TeacherError, 'teacher.name: expected .* to build an nn.Module, got int'),
])
def test_a_name_that_builds_no_teacher_is_refused(user_module, name, args, error, message):
    with pytest.raises(error, match=message):
        build_network(settings(name, args=args), num_classes=4)


@pytest.mark.parametrize('suffix', ['pt', 'pth', 'safetensors'])
def test_a_teacher_gets_the_weights_of_its_file(tmp_path, suffix):
    torch.manual_seed(1)
    source = toys.Teacher()
    file = tmp_path / f'teacher.{suffix}'
    save_weights(source, file) if suffix == 'safetensors' else torch.save(source.state_dict(), file)
    ready = ready_teacher(settings('toys.Teacher', weights=str(file)), num_classes=4)
    assert ready.state_dict().keys() == source.state_dict().keys()
    assert all(torch.equal(tensor, source.state_dict()[name]) for name, tensor in ready.state_dict().items())


def test_the_weights_of_another_number_of_classes_are_refused(tmp_path):
    save_weights(toys.Teacher(num_classes=4), tmp_path / 'teacher.safetensors')
    with pytest.raises(WeightsError, match=r'teacher.weights: .*classifier.weight \(4, 16\) instead of \(9, 16\)'):
        ready_teacher(settings('toys.Teacher', weights=str(tmp_path / 'teacher.safetensors')), 9)


def test_pretrained_weights_are_those_of_collections_only():
    with pytest.raises(WeightsError, match="torchvision and timm only, not for 'toys.Teacher'; give a weights file"):
        load_pretrained(settings('toys.Teacher', weights='pretrained'))


def test_pretrained_weights_that_cannot_be_downloaded_say_so(monkeypatch):
    def offline(*args, **kwargs):
        raise OSError('no route to host')
    monkeypatch.setattr('torchvision.models._api.load_state_dict_from_url', offline)
    with pytest.raises(WeightsError, match="weights of 'resnet18' could not be loaded: OSError: no route to host"):
        ready_teacher(settings('resnet18', weights='pretrained'), num_classes=1000)


def test_pretrained_weights_are_asked_of_torchvision_with_the_settings_arguments(monkeypatch):
    asked = {}

    def get_model(name, **kwargs):
        asked.update(name=name, **kwargs)
        return nn.Identity()
    monkeypatch.setattr(torchvision.models, 'get_model', get_model)
    teacher = ready_teacher(settings('resnet18', weights='pretrained', args={'norm_layer': None}), 1000)
    assert isinstance(teacher, nn.Identity)
    assert asked == {'name': 'resnet18', 'weights': 'DEFAULT', 'norm_layer': None}


# timm

def test_a_model_of_timm_is_built_for_the_number_of_classes_with_its_arguments():
    torch.manual_seed(0)
    network = build_network(settings('timm:resnet10t', args={'in_chans': 1}), num_classes=7)
    torch.manual_seed(0)
    expected = timm.create_model('resnet10t', num_classes=7, in_chans=1)
    assert network.state_dict().keys() == expected.state_dict().keys()
    assert all(torch.equal(tensor, expected.state_dict()[name]) for name, tensor in network.state_dict().items())


@pytest.mark.parametrize('name, args, error, message', [
    ('timm:resnet81', {}, TeacherError, "teacher.name: timm has no model 'resnet81'; nearest known: .*resnet"),
    ('timm:resnet18.a9_in2k', {}, TeacherError, "'timm:resnet18.a9_in2k' .* failed: RuntimeError: Invalid pretrained tag"),
    ('timm:', {}, TeacherError, "timm has no model ''"),
    ('timm:resnet10t', {'colour': 1}, TeacherError, "teacher.args: building 'timm:resnet10t' .* failed: TypeError.*'colour'"),
    ('resnet10t', {}, TeacherError, 'write timm:NAME for a model of timm'),
])
def test_a_name_that_timm_cannot_build_is_refused(name, args, error, message):
    with pytest.raises(error, match=message):
        build_network(settings(name, args=args), num_classes=4)


@pytest.mark.parametrize('weights', ['train', 'pretrained'])
def test_without_timm_its_models_are_refused_with_the_remedy(monkeypatch, weights):
    monkeypatch.setitem(sys.modules, 'timm', None)
    build = load_pretrained if weights == 'pretrained' else lambda given: build_network(given, 4)
    with pytest.raises(TeacherError, match=r"'timm:resnet18' needs the package timm.*pip install 'nni_dna\[timm\]'"):
        build(settings('timm:resnet18', weights=weights))


def test_pretrained_weights_are_asked_of_timm_with_the_settings_arguments(monkeypatch):
    asked = {}

    def create_model(name, **kwargs):
        asked.update(name=name, **kwargs)
        return nn.Identity()
    monkeypatch.setattr(timm, 'create_model', create_model)
    given = settings('timm:resnet18.a1_in1k', weights='pretrained', args={'in_chans': 1})
    assert isinstance(ready_teacher(given, 1000), nn.Identity)
    assert asked == {'name': 'resnet18.a1_in1k', 'pretrained': True, 'in_chans': 1}


def test_weights_that_timm_cannot_download_say_so(monkeypatch):
    def offline(name, **kwargs):
        raise OSError('no route to host')
    monkeypatch.setattr(timm, 'create_model', offline)
    with pytest.raises(WeightsError, match="weights of 'timm:resnet18' could not be loaded: OSError: no route to host"):
        ready_teacher(settings('timm:resnet18', weights='pretrained'), num_classes=1000)
