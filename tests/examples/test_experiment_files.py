"""The experiment files of the examples, on a few made-up images: each is checked, and run to its end with its real parts."""

from __future__ import annotations

import importlib.util
import json
from pathlib import Path

import numpy as np
import pytest
import torch
import yaml
from PIL import Image

import nni_dna
from nni_dna.campaign.campaign import Campaign
from nni_dna.campaign.config import ConfigSetup
from nni_dna.cli import main
from nni_dna.phases import run_campaign
from nni_dna.settings import read_settings

EXAMPLES = Path(__file__).parent.parent.parent / 'examples'
CLASSES = 3
FEW = {'data': {'batch_size': 4, 'workers': 0, 'holdout_per_class': 2}, 'teacher': {'epochs': 1}, 'distill': {'epochs': 1},
       'rate': {'calibration_images': 8}, 'search': {'top_k': 1}, 'retrain': {'epochs': 1}}


def write_images(root: Path, pixels: int) -> Path:
    """An image folder with the sets ``train`` and ``test``."""
    rng = np.random.default_rng(0)
    for part, count in ('train', 6), ('test', 2):
        for label in range(CLASSES):
            folder = root / part / f'class{label}'
            folder.mkdir(parents=True)
            for number in range(count):
                Image.fromarray(rng.integers(0, 256, (pixels, pixels, 3), dtype=np.uint8)).save(folder / f'{number}.png')
    return root


def read(name: str, monkeypatch) -> tuple[dict, dict]:
    """The settings of an experiment file and its search space."""
    path = EXAMPLES / name
    monkeypatch.syspath_prepend(str(path.parent))
    config = yaml.safe_load(path.read_text())
    space = json.loads((path.parent / config['searchSpaceFile']).read_text()) if 'searchSpaceFile' in config else {}
    return config['tuner']['classArgs'], space


def changed(settings: dict, *changes: dict) -> dict:
    """The settings with sections and values of others."""
    for change in changes:
        settings = {**settings, **{key: {**settings.get(key, {}), **value} if isinstance(value, dict) else value
                                   for key, value in change.items()}}
    return settings


def narrowed(space: dict) -> dict:
    """The first cell of each block, and two candidates of each layer."""
    return {label: {'_type': 'choice', '_value': found['_value'][:1 if label.endswith('/cell') else 2]}
            for label, found in space.items()}


def run(settings: dict, space: dict, base: Path) -> Path:
    """The work folder of the finished experiment."""
    setup = ConfigSetup(read_settings(settings, base), space)
    run_campaign(Campaign(setup, base))
    return setup.settings.work


@pytest.mark.slow
def test_cifar10_from_the_teacher_to_a_winner_that_is_transferred(tmp_path, monkeypatch, capsys):
    images = write_images(tmp_path / 'images', 32)
    settings, space = read('cifar10/config_short.yml', monkeypatch)
    work = run(changed(settings, FEW, {'work': 'work', 'data': {'root': str(images)}}), space, tmp_path)
    winner = nni_dna.load(work)
    assert winner(torch.zeros(2, 3, 32, 32)).shape == (2, CLASSES)

    status = main(['transfer', str(work), '--data', f'imagefolder:{images}', '--output', str(tmp_path / 'transferred'),
                   '--set', 'data.image_size=48', '--set', 'data.batch_size=4', '--set', 'retrain.epochs=1',
                   '--set', 'retrain.warmup_epochs=0'])
    assert status == 0, capsys.readouterr().err
    assert nni_dna.load(tmp_path / 'transferred')(torch.zeros(1, 3, 48, 48)).shape == (1, CLASSES)


@pytest.mark.slow
def test_imagenet_with_a_teacher_of_random_weights_from_the_distillation_to_an_export(tmp_path, monkeypatch):
    images = write_images(tmp_path / 'images', 64)
    script = importlib.util.spec_from_file_location('random_teacher', EXAMPLES / 'imagenet' / 'random_teacher.py')
    random_teacher = importlib.util.module_from_spec(script)
    script.loader.exec_module(random_teacher)
    random_teacher.main(str(images / 'train'), str(tmp_path / 'random.safetensors'))

    settings, space = read('imagenet/config_short.yml', monkeypatch)
    few = changed(FEW, {'data': {'root': str(images), 'holdout_per_class': None, 'holdout_images': 6},
                        'teacher': {'args': {'num_classes': 1000}}, 'search': {'max_madds': '600M'}})
    work = run(changed(settings, few, {'work': 'work'}), narrowed(space), tmp_path)
    ranking = json.loads((work / 'ranking.json').read_text())
    assert len(ranking['ranking']) == 1 and ranking['ranking'][0]['madds'] < 600e6
    nni_dna.export(work, 1, 'safetensors', tmp_path / 'winner.safetensors')
    assert (tmp_path / 'winner.safetensors').stat().st_size > 1e6


@pytest.mark.parametrize('name', ['cifar10/config.yml', 'imagenet/config.yml', 'imagenet/config_machines.yml'])
def test_the_full_experiments_pass_all_checks(name, tmp_path, monkeypatch):
    images = write_images(tmp_path / 'images', 32)
    settings, space = read(name, monkeypatch)
    here = {'work': 'work', 'data': {'root': str(images), 'holdout_per_class': 2}}
    if name.startswith('imagenet'):  # the pretrained teacher needs a download
        here['teacher'] = {'weights': 'train'}
    setup = ConfigSetup(read_settings(changed(settings, here), tmp_path), space)
    setup.check()
    recipe = setup.recipe
    assert recipe['epochs'] == {'cifar10': 200, 'imagenet': 500}[name.partition('/')[0]]
