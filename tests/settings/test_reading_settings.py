"""Every section of the settings: what it takes, what it refuses and how it says so."""

import copy
import dataclasses
import json
from pathlib import Path

import pytest

import toys
from nni_dna.errors import NniDnaError, SettingsError
from nni_dna.settings import Settings, differences, read_settings, to_plain

BASE = Path('/experiment/folder')


def minimal():
    return {'work': 'work', 'data': {'name': 'digits', 'image_size': 32},
            'teacher': {'name': 'resnet18'}, 'space': {'name': 'digits'}}


def full():
    return {
        'work': '/elsewhere/work', 'preset': 'imagenet', 'seed': 7, 'retries': 0, 'stall_minutes': 2.5, 'threads': 2,
        'data': {'name': 'imagefolder', 'root': 'images', 'args': {'allow_empty': True}, 'image_size': 64,
                 'batch_size': 8, 'holdout_per_class': None, 'holdout_images': None, 'holdout_folder': 'others',
                 'augment': 'imagenet', 'color_jitter': 0.1, 'random_erasing': 0.25, 'center_crop': 0.5,
                 'mean': [0, 0.5, 1], 'std': [0.25], 'workers': 2},
        'teacher': {'name': 'toys.Teacher', 'args': {'width': 3}, 'stages': ['a', 'b.c'],
                    'weights': 'weights/teacher.pt', 'batch_norm': 'train', 'epochs': 4, 'lr': 1},
        'space': {'name': 'toys.Space', 'args': {'num_classes': 4}, 'blocks': ['blocks.0', 'blocks.1']},
        'distill': {'tasks': 'joint', 'epochs': 6, 'lr_first': 0.1, 'lr': 0.2, 'lr_decay': 1, 'weight_decay': 0,
                    'input': 'cascade', 'sampling': 'fair', 'paths_per_step': 1, 'rate_every': 2, 'channels_last': True,
                    'compile_teacher': True, 'precision': 'bf16-mixed'},
        'rate': {'calibration_images': 10, 'max_paths': 50, 'measure': 'cosine'},
        'search': {'top_k': 3, 'max_params': '4.2M', 'max_madds': 350_000_000, 'weights': [1.0, 0.5], 'max_memory': '8M',
                   'max_latency_ms': 12.5},
        'latency': {'device': 'cuda:1', 'batch_size': 4, 'threads': 2, 'file': 'phone.json'},
        'retrain': {'recipe': 'quick', 'epochs': 5, 'lr': 0.01, 'weight_decay': 0.5, 'label_smoothing': 0, 'lr_batch': 64,
                    'optimizer': 'rmsprop_tf', 'momentum': 0.8, 'schedule': 'steps', 'warmup_epochs': 1, 'decay': 0.97,
                    'decay_epochs': 2.4, 'decay_norms': False, 'clip': 5, 'ema': 0.99, 'dropout': 0.1, 'drop_connect': 0.1,
                    'augment': 'crop', 'auto_augment': 'rand', 'color_jitter': 0.1, 'random_erasing': 0.2, 'mixup': 0.2,
                    'cutmix': 1, 'precision': 'bf16-mixed', 'accumulate': 2, 'devices': 'auto', 'over_training': True},
    }


def changed(place, value):
    """The minimal settings with one value at a place such as 'data.root'."""
    raw = copy.deepcopy(minimal())
    *sections, name = place.split('.')
    target = raw
    for section in sections:
        target = target.setdefault(section, {})
    target[name] = value
    return raw


def test_every_setting_is_read_into_its_place():
    settings = read_settings(full(), BASE)
    expected = full()
    expected.update(work=Path('/elsewhere/work'))
    expected['data'].update(root=BASE / 'images', holdout_folder=BASE / 'others')
    expected['teacher'].update(weights=str(BASE / 'weights/teacher.pt'))
    expected['search'].update(max_params=4.2e6, max_madds=3.5e8, max_memory=8e6)
    expected['latency'].update(file=BASE / 'phone.json')
    assert dataclasses.asdict(settings) == expected


def test_the_full_example_of_this_test_names_every_setting_there_is():
    def names(section):
        return {field.name for field in dataclasses.fields(section)}
    assert names(Settings) == set(full())
    settings = read_settings(full(), BASE)
    for name, section in full().items():
        if isinstance(section, dict):
            assert names(getattr(settings, name)) == set(section)


def test_the_defaults_of_the_distillation_are_the_papers():
    distill = read_settings(minimal(), BASE).distill
    assert dataclasses.asdict(distill) == {
        'tasks': 'cell', 'epochs': 20, 'lr_first': 0.002, 'lr': 0.005, 'lr_decay': 0.9, 'weight_decay': 1e-4,
        'input': 'teacher', 'sampling': 'uniform', 'paths_per_step': 1, 'rate_every': None, 'channels_last': False,
        'compile_teacher': False, 'precision': '32'}


def test_what_is_left_out_has_its_default():
    settings = read_settings(minimal(), BASE)
    assert settings.data.root is None and settings.data.holdout_per_class == 50
    assert settings.teacher.weights == 'train' and settings.teacher.stages is None
    assert settings.space.blocks is None and settings.rate.max_paths == 20_000
    assert settings.search.max_params is None and settings.search.max_madds is None
    assert settings.search.max_memory is None and settings.search.max_latency_ms is None
    assert dataclasses.asdict(settings.latency) == {'device': 'cpu', 'batch_size': 1, 'threads': 1, 'file': None}
    assert settings.seed == 0 and settings.threads is None
    assert settings == read_settings({**minimal(), 'distill': {}, 'rate': {}, 'search': {}, 'latency': {}, 'retrain': {}}, BASE)


@pytest.mark.parametrize('place, expects', [
    ('work', 'a path'), ('data', 'a mapping'), ('teacher', 'a mapping'), ('space', 'a mapping'), ('data.name', 'text'),
    ('data.image_size', 'a whole number of at least 1'), ('teacher.name', 'text'), ('space.name', 'text')])
def test_a_missing_setting_is_named_with_what_is_expected(place, expects):
    raw = minimal()
    *sections, name = place.split('.')
    target = raw
    for section in sections:
        target = target[section]
    del target[name]
    with pytest.raises(SettingsError, match=f'^{place}: this setting is missing; expected {expects}'):
        read_settings(raw, BASE)


@pytest.mark.parametrize('place, nearest', [
    ('wrok', 'nearest known: work'), ('retry', 'nearest known: retries'),
    ('data.imagesize', 'nearest known: image_size'),
    ('data.batch', 'nearest known: batch_size'), ('teacher.stage', 'nearest known: stages'),
    ('space.arg', 'nearest known: args'), ('space.block', 'nearest known: blocks'), ('rate.maxpaths', 'nearest known: max_paths'),
    ('distill.lr_frist', 'nearest known: lr_first'), ('rate.calibration', 'nearest known: calibration_images'),
    ('search.max_param', 'nearest known: max_params'), ('search.topk', 'nearest known: top_k'),
    ('retrain.epoch', 'nearest known: epochs'), ('retrain.zzz', 'known: recipe, epochs')])
def test_an_unknown_setting_names_the_nearest(place, nearest):
    with pytest.raises(SettingsError, match=f'^{place}: unknown setting; {nearest}'):
        read_settings(changed(place, 1), BASE)


def test_a_setting_that_is_no_text_is_unknown():
    with pytest.raises(SettingsError, match='^3: unknown setting'):
        read_settings({**minimal(), 3: 4}, BASE)


@pytest.mark.parametrize('place', ['data', 'teacher', 'space', 'distill', 'rate', 'search', 'latency', 'retrain'])
@pytest.mark.parametrize('value', [None, [], 'text', 3, True])
def test_a_section_that_is_no_mapping_is_refused(place, value):
    with pytest.raises(SettingsError, match=f'^{place}: expected a mapping, got'):
        read_settings({**minimal(), place: value}, BASE)


@pytest.mark.parametrize('raw', [None, [], 'work', 3])
def test_settings_that_are_no_mapping_are_refused(raw):
    with pytest.raises(SettingsError, match='^classArgs: expected a mapping, got'):
        read_settings(raw, BASE)


COUNTS = ['data.image_size', 'data.batch_size', 'data.holdout_per_class', 'data.holdout_images',
          'teacher.epochs', 'distill.epochs', 'distill.paths_per_step', 'distill.rate_every',
          'rate.calibration_images', 'rate.max_paths', 'search.top_k', 'retrain.epochs',
          'retrain.lr_batch', 'retrain.accumulate', 'retrain.devices', 'threads', 'latency.batch_size', 'latency.threads']
NATURALS = ['data.workers', 'retries', 'seed']
POSITIVES = ['teacher.lr', 'distill.lr_first', 'distill.lr', 'retrain.lr', 'retrain.decay_epochs', 'search.max_latency_ms',
             'stall_minutes']
FRACTIONS = ['data.color_jitter', 'data.random_erasing', 'distill.lr_decay', 'distill.weight_decay', 'retrain.weight_decay',
             'retrain.label_smoothing', 'retrain.decay', 'retrain.color_jitter', 'retrain.random_erasing']
SHARES = ['retrain.momentum', 'retrain.ema', 'retrain.dropout', 'retrain.drop_connect']
SIZES = ['retrain.warmup_epochs', 'retrain.clip', 'retrain.mixup', 'retrain.cutmix']


@pytest.mark.parametrize('value, expected', [
    ([1, 2.5], [1.0, 2.5]), ({'block2': 0}, {'block2': 0.0}), (None, None), ([0, 0, 3], [0.0, 0.0, 3.0])])
def test_weights_are_numbers_for_all_blocks_or_for_some_by_name(value, expected):
    assert read_settings(changed('search.weights', value), BASE).search.weights == expected


@pytest.mark.parametrize('value', [
    [], {}, 1.0, '1,2', [1, '2'], [-0.1], [float('inf')], [float('nan')], [True], [None], {1: 2.0}, {'block1': -1},
    {'block1': '2'}, {'block1': float('nan')}, {'block1': [1]}])
def test_other_weights_are_refused(value):
    with pytest.raises(SettingsError, match='^search.weights: expected a list of numbers of at least 0, one for each block, or a '
                                            'mapping'):
        read_settings(changed('search.weights', value), BASE)


LIMITS = ['search.max_params', 'search.max_madds', 'search.max_memory']
TEXTS = ['data.name', 'teacher.name', 'teacher.weights', 'space.name', 'retrain.recipe']
MAPPINGS = ['data.args', 'teacher.args', 'space.args']
COLOURS = ['data.mean', 'data.std']
NAN, INF = float('nan'), float('inf')


@pytest.mark.parametrize('place, value, expects', [
    *((place, value, 'a whole number of at least 1')
      for place in COUNTS for value in (0, -1, 1.5, 2.0, '3', True, [1])),
    *((place, value, 'a whole number') for place in NATURALS for value in (-1, 0.5, '0', False, True, None)),
    ('seed', 2**32, 'a whole number from 0 to 4294967295'),
    *((place, value, 'a number above 0') for place in POSITIVES for value in (0, -0.1, '0.1', True, NAN, INF, [0.1])),
    *((place, value, 'a number from 0 to 1') for place in FRACTIONS for value in (-0.1, 1.1, '0.5', True, NAN, [0.5])),
    *((place, value, 'a number from 0 to below 1') for place in SHARES for value in (-0.1, 1, '0.5', True, NAN)),
    *((place, value, 'a number of at least 0') for place in SIZES for value in (-0.1, '1', True, NAN, INF)),
    *((f'retrain.{name}', value, 'one of') for name in ('optimizer', 'schedule', 'augment', 'auto_augment', 'precision')
      for value in ('adam', '', 16, True)),
    *((place, value, 'a number above 0, such as 4.2M')
      for place in LIMITS for value in (0, -1, '0', '-3M', 'many', '', True, NAN, INF, [1])),
    *((place, value, 'text') for place in TEXTS for value in ('', 3, None, True, ['digits'])),
    *((place, value, 'a mapping') for place in MAPPINGS for value in (None, [], 'a=1', 3)),
    *((place, value, 'a list of')
      for place in COLOURS for value in ([], 0.5, '0.5', None, [True], ['0.5'], [0.5, None, 1])),
    *((place, value, 'a path') for place in ('work', 'data.root', 'data.holdout_folder') for value in ('', 3, True, ['work'])),
    ('work', None, 'a path'),
    *((place, value, 'a list of names, or nothing')
      for place in ('teacher.stages', 'space.blocks') for value in ([], 'layer1', [1], ['layer1', ''], [None], {}, False)),
    *(('data.augment', value, 'one of none, crop, crop_flip, imagenet')
      for value in ('flip', '', None, True, 0, ['crop'])),
    *(('latency.device', value, 'cpu, cuda or cuda:N') for value in ('gpu', 'cuda:', 'cuda:a', 'cpu:0', '', 'cuda\n', None, 0)),
    *(('distill.tasks', value, 'one of cell, block, joint, or a whole') for value in ('cells', 'all', None, 0, True, 1.5)),
    *(('rate.measure', value, 'one of l1, mse, mse_var, cosine') for value in ('l2', '', None, 1, ['l1'])),
    *(('teacher.batch_norm', value, 'one of eval, train') for value in ('batch', '', None, True)),
    *(('data.center_crop', value, 'a number above 0, at most 1') for value in (0, -0.5, 1.01, '0.875', None, True, NAN)),
    *(('distill.input', value, 'one of teacher, progressive, cascade') for value in ('student', None, True)),
    *(('distill.sampling', value, 'one of uniform, fair') for value in ('strict', None, 1)),
    *(('retrain.over_training', value, 'true or false') for value in ('yes', 1, None)),
    *((place, value, 'a list of') for place in COLOURS for value in ([NAN], [INF], [0.5, NAN, 0.5])),
], ids=str)
def test_a_value_of_the_wrong_type_or_out_of_range_is_refused_where_it_stands(place, value, expects):
    with pytest.raises(SettingsError, match=f'^{place}: expected {expects}.*, got '):
        read_settings(changed(place, value), BASE)


@pytest.mark.parametrize('place, value', [
    ('data.mean', [0.5, 0.5]), ('data.std', [1, 1]), ('data.std', [1, 1, 1, 1])])
def test_two_or_four_channels_are_refused(place, value):
    with pytest.raises(SettingsError, match=f'^{place}: expected one number, or one for each of 3 channels'):
        read_settings(changed(place, value), BASE)


@pytest.mark.parametrize('value', [[0], [1, 0, 1], [0.0]])
def test_a_deviation_of_zero_is_refused(value):
    with pytest.raises(SettingsError, match='^data.std: expected numbers above 0'):
        read_settings(changed('data.std', value), BASE)


@pytest.mark.parametrize('place, value', [
    *((place, 1) for place in COUNTS), *((place, 0) for place in NATURALS), ('seed', 2**32 - 1),
    *((place, value) for place in POSITIVES for value in (1, 1e-9, 10)),
    *((place, value) for place in FRACTIONS for value in (0, 1, 0.5)),
    *((place, value) for place in SHARES for value in (0, 0.999)), *((place, value) for place in SIZES for value in (0, 7.5)),
    *(('retrain.precision', value) for value in ('32', '16-mixed', 'bf16-mixed')), ('retrain.devices', 'auto'),
    *((place, value) for place in LIMITS for value in (1, 0.5, 4.2e6)),
    *((place, None) for place in ('preset', 'data.color_jitter', 'data.holdout_images', 'data.holdout_folder')),
    *((place, None) for place in ('data.root', 'teacher.stages', 'space.blocks', 'threads', *LIMITS, 'retrain.epochs',
                                  'retrain.lr', 'distill.rate_every')),
    *((place, ['layer1']) for place in ('teacher.stages', 'space.blocks')),
    *((place, [0.5]) for place in COLOURS), *((place, [1, 2, 3]) for place in COLOURS),
    *((place, {}) for place in MAPPINGS),
    *(('data.augment', value) for value in ('none', 'crop', 'crop_flip', 'imagenet')),
    *(('rate.measure', value) for value in ('l1', 'mse', 'mse_var', 'cosine')), ('teacher.batch_norm', 'train'),
    *(('data.center_crop', value) for value in (1, 0.875, 1e-9)),
    *(('distill.tasks', value) for value in ('block', 'joint', 1, 16))], ids=str)
def test_a_value_at_the_edge_of_what_is_allowed_is_taken(place, value):
    found = read_settings(changed(place, value), BASE)
    for name in place.split('.'):
        found = getattr(found, name)
    assert found == value


@pytest.mark.parametrize('text, number', [('4.2M', 4.2e6), ('350k', 3.5e5), ('1.5G', 1.5e9), ('600', 600)])
def test_limits_may_be_written_with_a_suffix(text, number):
    assert read_settings(changed('search.max_madds', text), BASE).search.max_madds == number


@pytest.mark.parametrize('given, left', [
    ({}, (50, None, None)), ({'holdout_per_class': 4}, (4, None, None)), ({'holdout_images': 7}, (None, 7, None)),
    ({'holdout_folder': '/others'}, (None, None, Path('/others'))),
    ({'holdout_images': 7, 'holdout_per_class': None}, (None, 7, None)),
    ({'holdout_per_class': 4, 'holdout_folder': None}, (4, None, None))])
def test_images_are_held_out_in_one_way(given, left):
    raw = minimal()
    raw['data'].update(given)
    settings = read_settings(raw, BASE)
    for data in (settings.data, read_settings(json.loads(json.dumps(to_plain(settings))), BASE).data):
        assert (data.holdout_per_class, data.holdout_images, data.holdout_folder) == left


@pytest.mark.parametrize('given, got', [
    ({'holdout_per_class': 50, 'holdout_images': 7}, 'holdout_per_class and holdout_images'),
    ({'holdout_images': 7, 'holdout_folder': '/others'}, 'holdout_images and holdout_folder'),
    ({'holdout_per_class': 1, 'holdout_folder': '/others'}, 'holdout_per_class and holdout_folder'),
    ({'holdout_per_class': None}, 'none')])
def test_two_ways_to_hold_images_out_or_none_are_refused(given, got):
    raw = minimal()
    raw['data'].update(given)
    with pytest.raises(SettingsError, match=r'^data.holdout_\w+: expected one of holdout_per_class, holdout_images, '
                                            f'holdout_folder, got {got}; name one of them'):
        read_settings(raw, BASE)


def test_the_ends_of_the_blocks_are_common_to_all_kinds_of_settings():
    assert read_settings(changed('space.blocks', ['a', 'b.c']), BASE).blocks == ['a', 'b.c']
    assert read_settings(minimal(), BASE).blocks is None


def test_an_error_of_settings_is_ours_and_a_value_error():
    with pytest.raises(ValueError) as caught:
        read_settings({}, BASE)
    assert isinstance(caught.value, NniDnaError)


@pytest.mark.parametrize('place', ['work', 'data.root', 'data.holdout_folder', 'teacher.weights'])
@pytest.mark.parametrize('value, expected', [
    ('here', '/experiment/folder/here'), ('a/b.pt', '/experiment/folder/a/b.pt'), ('../there', '/experiment/there'),
    ('/abs/olute', '/abs/olute'), ('.', '/experiment/folder')])
def test_paths_are_relative_to_the_experiments_folder(place, value, expected, monkeypatch, tmp_path):
    monkeypatch.chdir(tmp_path)
    found = read_settings(changed(place, value), BASE)
    for name in place.split('.'):
        found = getattr(found, name)
    assert Path(found) == Path(expected)


@pytest.mark.parametrize('value', ['train', 'pretrained'])
def test_the_words_for_weights_are_no_paths(value):
    assert read_settings(changed('teacher.weights', value), BASE).teacher.weights == value


@pytest.mark.parametrize('raw', [minimal(), full(), toys.settings('/w')], ids=['minimal', 'full', 'toy'])
def test_plain_settings_are_json_and_are_read_back_whatever_the_folder(raw):
    settings = read_settings(raw, BASE)
    text = json.dumps(to_plain(settings))
    assert read_settings(json.loads(text), Path('/another')) == settings
    assert json.dumps(to_plain(read_settings(json.loads(text), Path('/another')))) == text


def test_plain_settings_write_out_every_default():
    plain = to_plain(read_settings(minimal(), BASE))
    assert set(plain) == set(full())
    assert all(set(plain[name]) == set(section) for name, section in full().items() if isinstance(section, dict))
    assert plain['work'] == '/experiment/folder/work'


def test_reading_leaves_the_mapping_as_it_was():
    raw = full()
    read_settings(raw, BASE)
    assert raw == full()


def plain_with(**changes):
    return to_plain(read_settings(toys.settings('/w', **changes), BASE))


def test_equal_settings_have_no_differences():
    assert differences(plain_with(), plain_with()) == []


@pytest.mark.parametrize('changes, line', [
    ({'distill': {'epochs': 3}}, 'distill.epochs: 2 became 3'),
    ({'seed': 5}, 'seed: 0 became 5'),
    ({'search': {'max_params': '1k'}}, 'search.max_params: None became 1000.0'),
    ({'teacher': {'stages': ['stage1']}}, "teacher.stages: ['stage1', 'stage2'] became ['stage1']"),
    ({'space': {'blocks': ['blocks.1']}}, "space.blocks: None became ['blocks.1']"),
    ({'rate': {'max_paths': 7}}, 'rate.max_paths: 20000 became 7'),
    ({'space': {'args': {'num_classes': 4}}}, 'space.args.num_classes: None became 4'),
    ({'data': {'name': 'digits'}}, "data.name: 'toys.images' became 'digits'")])
def test_a_difference_is_a_line_with_its_place_and_both_values(changes, line):
    assert differences(plain_with(), plain_with(**changes)) == [line]


def test_all_differences_are_listed_in_order():
    lines = differences(plain_with(), plain_with(distill={'epochs': 3, 'lr': 1}, seed=2))
    assert lines == ['distill.epochs: 2 became 3', 'distill.lr: 0.005 became 1.0', 'seed: 0 became 2']
