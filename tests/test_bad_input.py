"""Bad input: one clear error before anything starts or is written, through the command line that users check with."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest
import torch
import toys
import yaml
from nni.nas.nn.pytorch import LayerChoice, ModelSpace, MutableConv2d, MutableLinear
from remedies import says
from torch import nn

from nni_dna.cli import main

TESTS = Path(toys.__file__).parent


class Crossed(ModelSpace):
    """One choice of an operation decides in two blocks."""

    def __init__(self, num_classes=4):
        super().__init__()
        self.one = toys._layer('kernel', 3, 4, 2)
        self.two = nn.Sequential(toys._layer('kernel', 4, 4, 2), toys._layer('own', 4, 4, 1))
        self.classifier = MutableLinear(4, num_classes)

    def forward(self, x):
        return self.classifier(self.two(self.one(x)).mean((2, 3)))


class Behind(toys.Space):
    """A choice of an operation behind what runs in a chain."""

    def __init__(self, num_classes=4):
        super().__init__(num_classes)
        self.drop = LayerChoice([nn.Identity(), nn.Dropout()], label='drop')

    def forward(self, x):
        return self.classifier(self.drop(self.blocks(x).mean((2, 3))))


class Fixed(ModelSpace):
    """A single network."""

    def __init__(self, num_classes=4):
        super().__init__()
        self.layer = MutableConv2d(3, num_classes, 3, 4)

    def forward(self, x):
        return self.layer(x).mean((2, 3))


@pytest.fixture
def check(tmp_path, capsys):
    """Write a config, run ``nni-dna check`` on it, and return (exit code, stdout, stderr)."""
    def run(search_space=None, config=None, **changes):
        whole = {'searchSpace': search_space or {}, 'trialConcurrency': 1, 'trialCommand': 'python -m nni_dna.trial',
                 'trainingService': {'platform': 'local'},
                 'tuner': {'className': 'nni_dna.DNAAdvisor', 'codeDirectory': str(TESTS),
                           'classArgs': toys.settings(tmp_path / 'work', **changes)}, **(config or {})}
        file = tmp_path / 'config.yml'
        file.write_text(yaml.safe_dump(whole))
        code = main(['check', str(file)])
        output = capsys.readouterr()
        return code, output.out, output.err
    return run


def test_a_good_config_passes_and_writes_nothing(check, tmp_path):
    code, out, _ = check()
    assert code == 0
    assert '24 architectures in 2 blocks' in out and '6 trials' in out
    assert not (tmp_path / 'work').exists()


def test_a_config_without_stages_shows_those_that_were_found(check):
    code, out, _ = check(space={'name': 'toys.Scaled'}, teacher={'stages': None}, rate={'max_paths': 10})
    assert code == 0
    assert '72 architectures in 2 blocks' in out and '5 trials' in out  # the teacher, two supernets, two winners
    rows = {line.split()[0]: line.split() for line in out.splitlines()}
    assert rows['block1'][-2:] == ['stage1', '8x8x8'] and '10' in rows['block1']
    assert rows['block2'][-2:] == ['stage2', '16x4x4'] and 'all' in rows['block2']


def test_what_a_preset_fills_in_is_shown(check):
    code, out, _ = check(preset='imagenet', teacher={'weights': 'train'})
    assert code == 0
    assert 'preset imagenet: data.random_erasing: 0.5\n' in out and 'preset imagenet: teacher.batch_norm: train\n' in out
    assert 'preset imagenet: data.image_size' not in out and 'stage1' in out
    assert 'preset imagenet' not in check()[1]


@pytest.mark.parametrize(['changes', 'message'], [
    pytest.param({'teacher': None}, 'teacher: this setting is missing', id='missing section'),
    pytest.param({'data': {'image_size': 'big'}}, 'data.image_size: expected a whole number of at least 1', id='type'),
    pytest.param({'distil': {}}, 'distil: unknown setting; nearest known: distill', id='unknown key'),
    pytest.param({'distill': {'epoch': 3}}, 'distill.epoch: unknown setting; nearest known: epochs', id='unknown nested key'),
    pytest.param({'distill': 3}, 'distill: expected a mapping, got 3', id='section is no mapping'),
    pytest.param({'search': {'max_params': 10}}, 'the cheapest possible is', id='limit nobody can meet'),
    pytest.param({'search': {'max_params': 0}}, 'search.max_params: expected a number above 0', id='limit of 0'),
    pytest.param({'search': {'max_madds': '-3M'}}, 'search.max_madds: expected a number above 0', id='negative limit'),
    pytest.param({'search': {'top_k': 0}}, 'search.top_k: expected a whole number of at least 1', id='top_k of 0'),
    pytest.param({'teacher': {'name': 'resnet19'}}, 'nearest known: resnet18', id='unknown teacher'),
    pytest.param({'teacher': {'name': 'toys.Teecher'}}, "teacher.name: module 'toys' has no 'Teecher'", id='no such teacher'),
    pytest.param({'teacher': {'args': {'depth': 3}}}, 'teacher.args: building', id='wrong teacher argument'),
    pytest.param({'data': {'name': 'cifar11'}}, 'nearest known: cifar10', id='unknown dataset'),
    pytest.param({'data': {'name': 'nothing.there'}}, "data.name: cannot import module 'nothing'", id='dataset not importable'),
    pytest.param({'data': {'name': 'imagefolder', 'root': 'nowhere'}}, 'expected an existing folder', id='data folder'),
    pytest.param({'data': {'name': 'cifar10'}}, 'data.root: expected the folder', id='no data folder'),
    pytest.param({'data': {'holdout_per_class': 16}}, 'data.holdout_per_class: expected fewer than the 16', id='hold out all'),
    pytest.param({'data': {'holdout_images': 5}}, 'data.holdout_images: expected one of', id='hold out twice'),
    pytest.param({'data': {'holdout_images': 64, 'holdout_per_class': None}}, 'data.holdout_images: expected fewer than the 64',
                 id='hold out all in all'),
    pytest.param({'data': {'holdout_folder': 'nowhere', 'holdout_per_class': None}},
                 'data.holdout_folder: expected an existing folder', id='no folder of held-out images'),
    pytest.param({'preset': 'imagnet'}, "preset: expected one of imagenet, got 'imagnet'; nearest known: imagenet", id='preset'),
    pytest.param({'rate': {'measure': 'l2'}}, 'rate.measure: expected one of l1, mse, mse_var, cosine', id='measure'),
    pytest.param({'teacher': {'name': 'timm:resnet81', 'stages': None}}, "timm has no model 'resnet81'", id='model of timm'),
    pytest.param({'space': {'name': 'dgits'}}, 'nearest known: digits', id='unknown space'),
    pytest.param({'space': {'name': 'toys.Teacher'}}, 'space.name: expected', id='space is no ModelSpace'),
    pytest.param({'space': {'args': {'layers': 3}}}, 'space.args: building', id='wrong space argument'),
    pytest.param({'teacher': {'stages': ['stage1', 'stage3']}}, "no module 'stage3'; nearest known: stage", id='no such stage'),
    pytest.param({'teacher': {'stages': ['stage1']}}, 'teacher.stages: no stage gives', id='too few stages'),
    pytest.param({'teacher': {'stages': ['stage2', 'stage2']}}, 'expected different modules', id='stage named twice'),
    pytest.param({'teacher': {'stages': ['stage2', 'stage1']}}, 'in the order in which they run', id='stages out of order'),
    pytest.param({'teacher': {'stages': ['stage1.0', 'stage1.2']}}, 'name fewer stages', id='two stages of one size'),
    pytest.param({'teacher': {'stages': ['stage1.0', 'stage1.2']}, 'space': {'blocks': ['blocks.0', 'blocks.1']}},
                 'block2 (cell only) gives 4x4 pixels but', id='resolution'),
    pytest.param({'teacher': {'name': 'torch.nn.Flatten', 'stages': None}}, 'name the stages, or take another teacher',
                 id='teacher without stages'),
    pytest.param({'space': {'blocks': ['blocks.0', 'block.1']}}, "space.blocks: no module 'block.1'", id='no such block'),
    pytest.param({'space': {'blocks': ['blocks.1', 'blocks.0']}}, "'blocks.0' is not behind", id='blocks out of order'),
    pytest.param({'space': {'blocks': ['blocks.1']}}, 'teacher.stages: expected one stage for each of', id='too few blocks'),
    pytest.param({'space': {'blocks': []}}, 'space.blocks: expected a list of names', id='no blocks'),
    pytest.param({'space': {'name': 'test_bad_input.Crossed'}}, "label 'kernel' is used in block1 and in block2",
                 id='operation in two blocks'),
    pytest.param({'space': {'name': 'test_bad_input.Behind'}}, "label 'drop'", id='operation behind the chain'),
    pytest.param({'space': {'name': 'test_bad_input.Fixed'}}, 'the model space has no choice', id='space without choices'),
    pytest.param({'rate': {'max_paths': 0}}, 'rate.max_paths: expected a whole number of at least 1', id='no paths'),
    pytest.param({'teacher': {'name': 'googlenet', 'stages': ['conv1', 'conv2']}, 'data': {'image_size': 64}},
                 'in training mode, got GoogLeNetOutputs', id='teacher that is no plain classifier'),
    pytest.param({'teacher': {'stages': ['stage1', 'classifier']}}, 'to give a feature map', id='stage without a map'),
    pytest.param({'data': {'image_size': 2}}, 'the images are too small for the strides', id='image too small'),
    pytest.param({'retrain': {'recipe': 'quickly'}}, 'nearest known: quick', id='unknown recipe'),
    pytest.param({'retrain': {'recipe': 'imagenet', 'epochs': None}}, 'retrain.dropout: expected a network with a Dropout module',
                 id='dropout in a space without'),
    pytest.param({'retrain': {'drop_connect': 0.2}}, 'retrain.drop_connect: expected a network with residual blocks',
                 id='drop-connect in a space without'),
    pytest.param({'retrain': {'decay': 0.9}}, 'retrain.decay: has no effect, because retrain.schedule is one_cycle',
                 id='override without effect'),
    pytest.param({'retrain': {'recipe': 'cifar', 'epochs': 5}}, 'retrain.warmup_epochs: expected fewer than the 5 epochs',
                 id='warm-up of all epochs'),
    pytest.param({'retrain': {'precision': 16}}, 'retrain.precision: expected one of 32, 16-mixed, bf16-mixed', id='precision'),
    pytest.param({'retrain': {'devices': 0}}, 'retrain.devices: expected a whole number of at least 1, or auto', id='no devices'),
    pytest.param({'teacher': {'weights': 'missing.pt'}}, 'which is missing', id='weights missing'),
    pytest.param({'threads': 0}, 'threads: expected a whole number of at least 1', id='no threads'),
    pytest.param({'seed': -1}, 'seed: expected a whole number from 0', id='negative seed'),
    pytest.param({'work': __file__}, 'work: expected a new or empty folder', id='work folder is a file'),
    pytest.param({'work': __file__ + '/work'}, 'cannot be written', id='work folder not writable'),
    pytest.param({'work': str(TESTS)}, 'which holds something else', id='work folder of something else'),
])
def test_a_bad_setting_gives_one_error_that_names_it(check, tmp_path, changes, message):
    before = sorted(TESTS.iterdir())
    code, _, err = check(**changes)
    assert code == 1
    assert message in err
    says(err)
    assert not (tmp_path / 'work').exists()
    assert sorted(TESTS.iterdir()) == before


@pytest.mark.parametrize(['space', 'message'], [
    ({'cel': {'_type': 'choice', '_value': ['deep']}}, "no label 'cel'; nearest known: cell"),
    ({'cell': {'_type': 'choice', '_value': ['dep']}}, "no value 'dep'; nearest known: deep"),
    ({'cell': {'_type': 'uniform', '_value': [0, 1]}}, '"_type": "choice"'),
    ({'cell': {'_type': 'choice', '_value': []}}, 'at least one value'),
    ({'cell': 'deep'}, '"_type": "choice"'),
])
def test_a_bad_search_space_gives_one_error_that_names_the_label(check, space, message):
    code, _, err = check(search_space=space)
    assert code == 1
    assert message in err


def test_a_search_space_that_drops_candidates_shrinks_the_search(check):
    _, out, _ = check(search_space={'cell': {'_type': 'choice', '_value': ['shallow']}})
    assert '8 architectures' in out


@pytest.mark.parametrize(['text', 'message'], [
    ('- a\n- b\n', 'to hold a mapping, got list'),
    ('a: [', 'no valid YAML'),
    ('trialConcurrency: 1\n', 'tuner.classArgs: expected a mapping'),
    ('tuner: {classArgs: !!python/object/apply:os.getcwd []}\n', 'no valid YAML'),
])
def test_a_file_that_is_no_config_gives_one_error(tmp_path, capsys, text, message):
    file = tmp_path / 'config.yml'
    file.write_text(text)
    assert main(['check', str(file)]) == 1
    assert message in capsys.readouterr().err


def test_more_winners_than_the_limits_allow_are_only_warned_of(check, caplog):
    assert check(search={'top_k': 25})[0] == 0
    assert 'search.top_k: 25 architectures were asked for, but only 24 keep the limits' in caplog.text


def test_a_search_space_file_that_is_missing_is_named(check):
    code, _, err = check(config={'searchSpaceFile': 'nowhere.json'})
    assert code == 1
    assert 'searchSpaceFile' in err and 'nowhere.json' in err


def test_a_highest_number_of_trials_below_what_is_needed_is_refused(check):
    code, _, err = check(config={'maxTrialNumber': 3})
    assert code == 1
    assert 'maxTrialNumber: expected at least 18 (6 trials, and retries: 2)' in err


class _Bomb:
    def __reduce__(self):
        return os.mkdir, (os.environ['NNI_DNA_BOMB'],)


def test_weights_of_every_wrong_kind_give_one_error_and_run_no_code(check, tmp_path, monkeypatch):
    monkeypatch.setenv('NNI_DNA_BOMB', str(tmp_path / 'exploded'))
    good = tmp_path / 'good.pt'
    torch.save(toys.Teacher().state_dict(), good)
    (tmp_path / 'truncated.pt').write_bytes(good.read_bytes()[:500])
    (tmp_path / 'truncated.safetensors').write_bytes(b'\x10\0\0\0')
    torch.save(toys.Teacher(width=4).state_dict(), tmp_path / 'other.pt')
    torch.save({'weights': _Bomb()}, tmp_path / 'bomb.pt')
    torch.save([1, 2], tmp_path / 'list.pt')
    for name, message in [('truncated.pt', 'cannot be read as weights only'), ('other.pt', 'belongs to another network'),
                          ('truncated.safetensors', 'cannot be read as weights only'),
                          ('bomb.pt', 'cannot be read as weights only'), ('list.pt', 'to hold a state_dict')]:
        code, _, err = check(teacher={'weights': str(tmp_path / name)})
        assert code == 1
        assert message in err and name in err
    assert not (tmp_path / 'exploded').exists()
    assert check(teacher={'weights': str(good)})[0] == 0


def test_the_command_exits_with_1_and_prints_no_traceback(tmp_path):
    done = subprocess.run([sys.executable, '-m', 'nni_dna.cli', 'check', str(tmp_path / 'none.yml')], capture_output=True,
                          text=True)
    assert done.returncode == 1
    assert done.stderr.startswith('SettingsError: ') and 'Traceback' not in done.stderr


def test_importing_the_package_and_asking_for_help_import_no_torch():
    code = 'import sys, nni_dna, nni_dna.cli, nni_dna.show; sys.exit("torch" in sys.modules or "nni" in sys.modules)'
    assert subprocess.run([sys.executable, '-c', code]).returncode == 0
