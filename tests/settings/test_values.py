"""The values of settings: what each takes, what it refuses and how it says so."""

import pytest

from plain_settings import BASE, changed
from nni_dna.errors import SettingsError
from nni_dna.settings import read_settings

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
