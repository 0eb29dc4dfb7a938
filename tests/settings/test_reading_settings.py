"""Every section of the settings: where each is read to, its default, and unknown ones."""

import dataclasses
import json
from pathlib import Path

import pytest

import toys
from plain_settings import BASE, changed, minimal
from nni_dna.errors import NniDnaError, SettingsError
from nni_dna.settings import Settings, read_settings, to_plain


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
