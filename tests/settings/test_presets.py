"""The presets: what they fill in, and that the user's own values count more."""

import copy
from pathlib import Path

import pytest

from nni_dna.errors import SettingsError, WorkFolderError
from nni_dna.campaign.work import WorkFolder
from nni_dna.settings import filled_in, read_settings, to_plain

BASE = Path('/experiment')
MINE = {'work': 'work', 'preset': 'imagenet', 'data': {'root': 'imagenet'}}

# The paper's section 4.1 and the authors' train_pipeline.yaml.
PAPER = {
    'data.name': 'imagefolder', 'data.image_size': 224, 'data.batch_size': 256, 'data.holdout_per_class': 50,
    'data.augment': 'imagenet', 'data.color_jitter': 0.4, 'data.random_erasing': 0.5, 'data.center_crop': 0.875,
    'data.mean': [0.485, 0.456, 0.406], 'data.std': [0.229, 0.224, 0.225],
    'teacher.name': 'efficientnet_b7', 'teacher.weights': 'pretrained', 'teacher.batch_norm': 'train',
    'teacher.stages': [f'features.{index}' for index in range(2, 8)], 'space.name': 'dna',
    'distill.epochs': 20, 'distill.lr_first': 0.002, 'distill.lr': 0.005, 'distill.lr_decay': 0.9, 'distill.weight_decay': 1e-4,
    'rate.measure': 'l1', 'retrain.recipe': 'imagenet'}


def value(settings, place):
    found = settings
    for name in place.split('.'):
        found = getattr(found, name)
    return found


def with_mine(**changes):
    raw = copy.deepcopy(MINE)
    for section, values in changes.items():
        raw[section] = {**raw.get(section, {}), **values} if isinstance(values, dict) else values
    return raw


@pytest.mark.parametrize('place', PAPER)
def test_the_preset_sets_what_the_paper_says(place):
    assert value(read_settings(MINE, BASE), place) == PAPER[place]


def test_what_the_user_gives_is_left_as_it_is():
    settings = read_settings(MINE, BASE)
    assert settings.work == BASE / 'work' and settings.data.root == BASE / 'imagenet'
    assert settings.search == read_settings({**MINE, 'search': {}}, BASE).search


@pytest.mark.parametrize('place, mine', [
    ('data.batch_size', 32), ('data.image_size', 160), ('data.augment', 'none'), ('data.random_erasing', 0), ('data.mean', [0.5]),
    ('data.color_jitter', None), ('teacher.weights', 'train'), ('teacher.batch_norm', 'eval'), ('teacher.stages', None),
    ('teacher.stages', ['features.2']), ('distill.epochs', 3), ('distill.lr', 0.1), ('rate.measure', 'cosine'),
    ('retrain.recipe', 'quick')])
def test_the_users_own_values_count_more_and_change_nothing_else(place, mine):
    section, name = place.split('.')
    settings = read_settings(with_mine(**{section: {name: mine}}), BASE)
    assert value(settings, place) == mine
    for other in PAPER:
        assert other == place or value(settings, other) == PAPER[other]


@pytest.mark.parametrize('changes', [
    {'teacher': {'name': 'resnet50'}}, {'teacher': {'args': {'width': 2}}}, {'space': {'name': 'proxylessnas'}},
    {'space': {'blocks': ['blocks.5']}}])
def test_the_presets_stages_go_with_its_teacher_and_its_space(changes):
    settings = read_settings(with_mine(**changes), BASE)
    assert settings.teacher.stages is None
    assert settings.teacher.weights == 'pretrained' and settings.teacher.batch_norm == 'train'


@pytest.mark.parametrize('mine', [{'holdout_images': 9}, {'holdout_folder': '/others'}])
def test_another_way_to_hold_images_out_replaces_the_presets(mine):
    data = read_settings(with_mine(data=mine), BASE).data
    assert data.holdout_per_class is None
    assert (data.holdout_images, data.holdout_folder) != (None, None)


def test_without_a_preset_nothing_is_filled_in():
    raw = {'work': 'work', 'data': {'name': 'digits', 'image_size': 32}, 'teacher': {'name': 'resnet18'},
           'space': {'name': 'digits'}}
    assert filled_in(raw) == []
    assert read_settings({**raw, 'preset': None}, BASE) == read_settings(raw, BASE)


@pytest.mark.parametrize('wrong, message', [
    ('imagnet', "preset: expected one of imagenet, got 'imagnet'; nearest known: imagenet"),
    ('', "preset: expected one of imagenet, got ''"), (3, 'preset: expected text, or nothing, got 3'),
    (['imagenet'], 'preset: expected text, or nothing'), (True, 'preset: expected text, or nothing')])
def test_an_unknown_preset_is_refused(wrong, message):
    with pytest.raises(SettingsError, match=f'^{message}'):
        read_settings({**MINE, **dict.fromkeys(['data', 'teacher', 'space'], {'name': 'x', 'image_size': 8}), 'preset': wrong,
                       'teacher': {'name': 'x'}, 'space': {'name': 'x'}}, BASE)


@pytest.mark.parametrize('section', ['data', 'teacher', 'distill'])
@pytest.mark.parametrize('wrong', [None, 3, ['x']])
def test_a_section_that_is_no_mapping_is_still_refused(section, wrong):
    with pytest.raises(SettingsError, match=f'^{section}: expected a mapping'):
        read_settings({**MINE, section: wrong}, BASE)


def test_an_unknown_setting_is_still_refused():
    with pytest.raises(SettingsError, match='^data.batch: unknown setting; nearest known: batch_size'):
        read_settings(with_mine(data={'batch': 3}), BASE)


def test_what_was_filled_in_is_listed():
    lines = filled_in(with_mine(data={'batch_size': 32}, teacher={'name': 'resnet50'}))
    assert 'distill.epochs: 20' in lines and 'data.image_size: 224' in lines and 'space.name: dna' in lines
    assert not any(line.startswith(('data.batch_size', 'data.root', 'teacher.name', 'teacher.stages')) for line in lines)
    assert {line.partition(': ')[0] for line in filled_in(MINE)} == {*PAPER, 'data.workers', 'distill.channels_last'}


def test_plain_settings_are_read_back_the_same_and_count_more_than_the_preset():
    settings = read_settings(with_mine(teacher={'stages': None}, distill={'epochs': 2}), BASE)
    assert read_settings(to_plain(settings), Path('/another')) == settings
    assert filled_in(to_plain(settings)) == []


def test_a_work_folder_does_not_care_whether_the_values_come_from_a_preset(tmp_path):
    settings = to_plain(read_settings({**MINE, 'work': str(tmp_path / 'work')}, BASE))
    folder = WorkFolder(tmp_path / 'work')
    folder.claim({'settings': settings, 'search_space': {}}, tmp_path).close()
    folder.check({'settings': {**settings, 'preset': None}, 'search_space': {}})
    with pytest.raises(WorkFolderError, match='distill.lr: 0.005 became 0.1'):
        folder.check({'settings': {**settings, 'distill': {**settings['distill'], 'lr': 0.1}}, 'search_space': {}})
