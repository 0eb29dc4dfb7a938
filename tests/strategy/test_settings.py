"""The arguments of DNA: every wrong one gives one error that names it."""

from __future__ import annotations

import functools
import json
from pathlib import Path

import pytest
import toys
from torchvision import models

from nni_dna import DNA
from nni_dna.errors import SettingsError
from nni_dna.settings import to_plain
from nni_dna.strategy.settings import import_path, read_strategy_settings


def read(**changes):
    raw = {'work': 'work', 'teacher': 'resnet18', **changes}
    return read_strategy_settings(raw, Path('/folder'))


class Nested:
    class Teacher(toys.Teacher):
        pass

    def build(self):
        return toys.Teacher()


@pytest.mark.parametrize(['option', 'arguments'], [
    ('teacher', {'teacher': lambda num_classes: toys.Teacher(num_classes)}),
    ('teacher', {'teacher': toys.Teacher()}),
    ('teacher', {'teacher': functools.partial(toys.Teacher, width=4)}),
    ('teacher', {'teacher': Nested.Teacher}),
    ('teacher', {'teacher': Nested().build}),
    ('teacher', {'teacher': {'name': toys.Teacher()}}),
    ('teacher.name', {'teacher': None}),
    ('teacher.name', {'teacher': 18}),
    ('teacher.name', {'teacher': {}}),
    ('teacher.name', {'teacher': {'name': ''}}),
    ('teacher.wieghts', {'teacher': {'name': 'resnet18', 'wieghts': 'train'}}),
    ('teacher.epochs', {'teacher': {'name': 'resnet18', 'epochs': 3}}),
    ('teacher.weights', {'teacher': {'name': 'resnet18', 'weights': None}}),
    ('teacher.stages', {'teacher': {'name': 'resnet18', 'stages': 'layer1'}}),
    ('teacher.stages', {'teacher': {'name': 'resnet18', 'stages': []}}),
    ('teacher.args', {'teacher': {'name': 'resnet18', 'args': 10}}),
    ('top_k', {'top_k': 0}),
    ('top_k', {'top_k': 2.5}),
    ('top_k', {'top_k': True}),
    ('top_k', {'top_k': '3'}),
    ('max_params', {'max_params': 0}),
    ('max_params', {'max_params': '4.2X'}),
    ('max_params', {'max_params': float('nan')}),
    ('max_params', {'max_params': float('inf')}),
    ('max_madds', {'max_madds': -1}),
    ('max_madds', {'max_madds': True}),
    ('max_madds', {'max_madds': [1]}),
    ('weights', {'block_weights': []}),
    ('weights', {'block_weights': [1.0, -1.0]}),
    ('weights', {'block_weights': {'block1': '2'}}),
    ('weights', {'block_weights': 2.0}),
    ('max_memory', {'max_memory': '8X'}),
    ('max_latency_ms', {'max_latency_ms': 0}),
    ('max_latency_ms', {'max_latency_ms': 'fast'}),
    ('latency', {'latency': 'cpu'}),
    ('latency.device', {'latency': {'device': 'gpu'}}),
    ('latency.thread', {'latency': {'thread': 1}}),
    ('work', {'work': ''}),
    ('work', {'work': None}),
    ('work', {'work': 5}),
    ('blocks', {'blocks': 'last'}),
    ('blocks', {'blocks': 5}),
    ('blocks', {'blocks': []}),
    ('blocks', {'blocks': ['']}),
    ('blocks', {'blocks': ('a', 1)}),
    ('search_space', {'search_space': 5}),
    ('search_space', {'search_space': ['a', 'b']}),
    ('search_space', {'search_space': 'missing.json'}),
    ('search_space', {'search_space': Path('missing.yml')}),
    ('distill', {'distill': 20}),
    ('distill', {'distill': []}),
    ('distill.epoch', {'distill': {'epoch': 3}}),
    ('distill.epochs', {'distill': {'epochs': 0}}),
    ('distill.tasks', {'distill': {'tasks': 'blocks'}}),
    ('distill.lr', {'distill': {'lr': -0.1}}),
    ('rate', {'rate': 256}),
    ('rate.max_paths', {'rate': {'max_paths': 0}}),
    ('rate.calibration', {'rate': {'calibration': 256}}),
    ('mutation_hooks', {'mutation_hooks': 5}),
    ('mutation_hooks', {'mutation_hooks': print}),
    ('mutation_hooks', {'mutation_hooks': [print, 'hook']}),
    ('seed', {'seed': -1}),
    ('seed', {'seed': 2**32}),
    ('retries', {'retries': -1}),
    ('retries', {'retries': None}),
    ('threads', {'threads': 0}),
])
def test_a_wrong_argument_gives_one_error_that_names_it(option, arguments, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    with pytest.raises(SettingsError) as caught:
        DNA(**{'teacher': 'resnet18', **arguments})
    message = str(caught.value)
    assert message.startswith((f'{option}:', f'search.{option}:')), message
    assert len(message) < 300 and '\n' not in message
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize(['content', 'words'], [('[1, 2]', 'to hold a mapping, got list'), ('{"a": ', 'no valid YAML or JSON')])
def test_a_search_space_file_that_is_none_is_refused(tmp_path, content, words):
    file = tmp_path / 'space.json'
    file.write_text(content)
    with pytest.raises(SettingsError, match=f'^search_space: .*{words}'):
        DNA('resnet18', search_space=file)


@pytest.mark.parametrize(['given', 'expected'], [
    ('4.2M', 4_200_000), ('350k', 350_000), ('1.5G', 1.5e9), ('2.01M', 2_010_000), (4.2e6, 4_200_000), (7, 7), (None, None)])
def test_limits_are_numbers_or_text(given, expected):
    assert read(search={'max_params': given}).search.max_params == expected
    assert read(search={'max_madds': given}).search.max_madds == expected


def build(num_classes=4):
    """A teacher's builder."""
    return toys.Teacher(num_classes)


@pytest.mark.parametrize(['given', 'name'], [
    ('resnet18', 'resnet18'), (toys.Teacher, 'toys:Teacher'), (build, f'{__name__}:build'),
    (models.resnet18, 'torchvision.models.resnet:resnet18'), ('toys.Teacher', 'toys.Teacher')])
def test_a_teacher_is_a_name_or_what_builds_it(given, name):
    assert read(teacher=given).teacher == read(teacher={'name': given}).teacher == read(teacher={'name': name}).teacher
    assert read(teacher=given).teacher.name == name


def test_the_import_path_of_a_teacher_leads_to_it():
    from nni_dna.imports import import_object
    assert import_object(import_path(build, 'teacher'), 'teacher.name') is build


def test_an_instance_as_teacher_is_told_apart_from_its_class():
    with pytest.raises(SettingsError, match='got an instance of Teacher; give the class or function that builds it'):
        DNA(toys.Teacher())


def test_settings_that_are_left_out_are_the_papers():
    settings = read()
    assert settings.distill.epochs is None  # the evaluator's
    assert (settings.distill.lr_first, settings.distill.lr, settings.distill.lr_decay) == (0.002, 0.005, 0.9)
    assert settings.teacher.weights == 'train' and settings.teacher.stages is None
    assert settings.blocks is None and settings.search.max_params is None


def test_nothing_stands_for_the_default_of_a_mapping(tmp_path):
    given = DNA('resnet18', work=tmp_path, distill=None, rate=None, search_space=None, blocks=None)
    assert given.__dict__['_settings'] == DNA('resnet18', work=tmp_path, distill={}, rate={}).__dict__['_settings']


def test_paths_are_absolute_wherever_trials_run():
    settings = read(teacher={'name': 'resnet18', 'weights': 'teacher.safetensors'})
    assert settings.work == Path('/folder/work')
    assert settings.teacher.weights == '/folder/teacher.safetensors'
    assert read(teacher={'name': 'resnet18', 'weights': 'pretrained'}).teacher.weights == 'pretrained'


def test_settings_survive_the_way_to_a_trial():
    settings = read(teacher={'name': toys.Teacher, 'stages': ['stage1', 'stage2'], 'args': {'width': 4}}, seed=3, threads=2,
                    search={'max_params': '4.2M', 'top_k': 7}, distill={'epochs': 3, 'tasks': 'joint'}, blocks=['a', 'b'])
    sent = json.loads(json.dumps(to_plain(settings)))
    assert read_strategy_settings(sent, Path('/elsewhere')) == settings


def test_a_strategy_says_what_it_is(tmp_path):
    assert repr(DNA(toys.Teacher, work=tmp_path / 'work')) == f"DNA(teacher='toys:Teacher', work='{tmp_path / 'work'}')"
