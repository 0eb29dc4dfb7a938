"""How long do commands and trials take to begin? CPU seconds of whole processes, against those of importing what they need.

A trial is `nni_dna.trial` as NNI runs it, stopped where its first training step would begin: it has imported everything, read its
task, built data, teacher and supernet, and loaded the first batch. Like the imports it ends without the interpreter's clean-up,
which takes long where torch is loaded; the commands end with it. The teacher has random weights from a file. The check is
`nni-dna check`, which is also what an experiment does before its first trial.

    python benchmarks/startup.py --runs 5 --out benchmarks/data/startup.json
"""

from __future__ import annotations

import argparse
import json
import os
import platform
import statistics
import subprocess
import sys
import tempfile
from pathlib import Path
from typing import Any, Callable

import numpy as np
import torch
import yaml
from PIL import Image

from nni_dna.campaign.campaign import Campaign
from nni_dna.campaign.check import read_config
from nni_dna.campaign.config import ConfigSetup
from nni_dna.teacher import build_network
from nni_dna.weights import save_weights

ROOT = Path(__file__).parent.parent
COMMAND = [sys.executable, '-W', 'ignore']
FLOOR = 'import torch, pytorch_lightning, torchvision, nni'
IMPORTS = ('import torch', FLOOR, f'{FLOOR}, nni.nas.oneshot.pytorch', 'import nni_dna')
FEW = {'batch_size': 4, 'workers': 0, 'holdout_per_class': 2}
"""Images of the paper's space, of which only the first batch is loaded."""


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument('--runs', type=int, default=5)
    parser.add_argument('--out', type=Path, help='JSON file of the results')
    parser.add_argument('--trial', type=Path, help=argparse.SUPPRESS)  # what the measured process is started with
    arguments = parser.parse_args()
    if arguments.trial:
        run_trial(arguments.trial)
        return
    with tempfile.TemporaryDirectory() as folder:
        commands = {**{line: [*COMMAND, '-c', f'{line}; import os; os._exit(0)'] for line in IMPORTS},
                    'nni-dna --help': [*COMMAND, '-m', 'nni_dna.cli', '--help'],
                    **prepare('digits', ROOT / 'examples' / 'digits' / 'config.yml', Path(folder) / 'digits'),
                    **prepare('dna at 224', ROOT / 'examples' / 'imagenet' / 'config.yml', Path(folder) / 'dna')}
        times: dict[str, list[float]] = {name: [] for name in commands}
        for _ in range(arguments.runs):
            for name, command in commands.items():
                times[name].append(cpu_seconds(command))
            if arguments.out:  # each time, since it takes long on a busy machine
                arguments.out.write_text(json.dumps({
                    'cpu_seconds': times, 'floor': FLOOR, 'python': platform.python_version(), 'torch': torch.__version__,
                    'command': ' '.join(['python', *sys.argv]), 'load': os.getloadavg()}, indent=2) + '\n')
    medians = {name: statistics.median(found) for name, found in times.items()}
    print(f'{"":75}{"CPU s":>7}{"of floor":>10}')
    for name, found in medians.items():
        print(f'{name:75}{found:7.2f}{found / medians[FLOOR]:10.2f}')


def cpu_seconds(command: list[str]) -> float:
    """User and system time of a process with one thread."""
    process = subprocess.Popen(command, cwd=ROOT, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE,
                               env={**os.environ, 'OMP_NUM_THREADS': '1', 'PYTHONPATH': str(ROOT)})
    assert process.stderr is not None
    errors = process.stderr.read()
    _, status, usage = os.wait4(process.pid, 0)
    if status:
        raise RuntimeError(f'{" ".join(command)} failed:\n{errors.decode()}')
    return usage.ru_utime + usage.ru_stime


def prepare(name: str, example: Path, folder: Path) -> dict[str, list[str]]:
    """The check of an experiment, and the first distillation trial of its work folder."""
    folder.mkdir()
    config, setup = read_config(example)
    settings = config['tuner']['classArgs']
    config['searchSpaceFile'] = str((example.parent / config['searchSpaceFile']).resolve())
    if settings['data']['name'] == 'imagefolder':
        write_images(folder / 'images')
        settings['data'] = {**settings['data'], **FEW, 'root': str(folder / 'images')}
    settings['teacher'] = {**settings.get('teacher', {}), 'weights': str(folder / 'teacher.safetensors')}
    settings['work'] = str(folder / 'work')
    file = folder / 'config.yml'
    file.write_text(yaml.safe_dump(config))
    save_weights(build_network(setup.settings.teacher, classes_of(file)), folder / 'teacher.safetensors')
    campaign = Campaign(read_config(file)[1])
    task = campaign.next_task()
    campaign.close()
    assert task is not None and task.phase == 'distill'
    trials = campaign.work.root / 'trials'
    trials.mkdir()
    (trials / 'experiment.trial.json').write_text(json.dumps(task.parameters(str(campaign.work.root))))
    again = yaml.safe_load(file.read_text())
    again['tuner']['classArgs']['work'] = str(folder / 'unused')
    (folder / 'check.yml').write_text(yaml.safe_dump(again))
    return {f'{name}: nni-dna check': [*COMMAND, '-m', 'nni_dna.cli', 'check', str(folder / 'check.yml')],
            f'{name}: a distillation trial up to its first step': [*COMMAND, __file__, '--trial', str(campaign.work.root)]}


def classes_of(config: Path) -> int:
    """Number of classes of an experiment's images."""
    setup = read_config(config)[1]
    assert isinstance(setup, ConfigSetup)
    return setup.num_classes


def write_images(root: Path) -> None:
    """A few pictures of noise, in the sets ``train`` and ``test``."""
    rng = np.random.default_rng(0)
    for part in 'train', 'test':
        for label in range(3):
            (root / part / f'class{label}').mkdir(parents=True)
            for number in range(6):
                Image.fromarray(rng.integers(0, 256, (224, 224, 3), dtype=np.uint8)).save(root / part / f'class{label}' /
                                                                                          f'{number}.png')


def run_trial(work: Path) -> None:
    """What NNI does with ``python -m nni_dna.trial``, without NNI's manager, up to the first training step."""
    import nni
    from nni_dna import trial
    from nni_dna.distill import BlockwiseDistillation
    answers: dict[str, Callable[[], Any]] = {
        'get_next_parameter': lambda: {'task': '', 'work': str(work)}, 'get_experiment_id': lambda: 'experiment',
        'get_trial_id': lambda: 'trial'}
    for name, answer in answers.items():
        setattr(nni, name, answer)
    BlockwiseDistillation.training_step = lambda self, batch, index: os._exit(0)  # type: ignore[method-assign]
    trial.main()
    raise RuntimeError('the trial made no training step')


if __name__ == '__main__':
    main()
