"""The toy experiment's images, teacher and model space, in which faults happen where a plan says so; imported by trials.

The folder that the environment variable names holds ``plan.json``: a list of faults, each with an ``id``, the ``phase`` and how
many images that phase has read before it (``after``). Each fault happens once, in whatever process comes there first.
"""

from __future__ import annotations

import json
import os
import signal
import sys
import time
from pathlib import Path

sys.path.append(str(Path(__file__).resolve().parents[2] / 'tests'))

import nni  # noqa: E402
import strategy_toys  # noqa: E402
import torch  # noqa: E402
import toys  # noqa: E402
from nni.nas.nn.pytorch import LayerChoice, ModelSpace  # noqa: E402
from torch import nn  # noqa: E402
from toys import Space  # noqa: E402, F401

from nni_dna.data.sources import TensorImages  # noqa: E402

PLAN = 'NNI_DNA_FAULTS'
_PLACES = {('rating', 'rate'): 'rate', ('distill', 'distill'): 'distill', ('teacher', 'train_teacher'): 'teacher',
           ('retrain', 'retrain'): 'retrain'}  # (module of nni_dna.phases, function): what is being done
_read: dict[str, int] = {}  # by phase, the images that this process has read
_bad: set[str] = set()  # what is to spoil the next feature map


class Images(TensorImages):
    """Images that a fault may come with."""

    def __getitem__(self, index):
        strike()
        return super().__getitem__(index)


@nni.trace
class Pictures(strategy_toys.Pictures):
    """Images of a NasExperiment, likewise."""

    def __getitem__(self, index):
        strike()
        return super().__getitem__(index)


def images(root, count=64):
    """Bright squares in one of four corners."""
    return tuple(Images(part.images, part.targets) for part in toys.images(root, count))


class Teacher(toys.Teacher):
    """Two stages, whose maps a fault may spoil."""

    def forward(self, x):
        return super().forward(x * _bad.pop() if _bad else x)


def strike() -> None:
    """Let a fault happen, if one is due here."""
    folder = os.environ.get(PLAN)
    phase = folder and _phase()
    if not folder or not phase:
        return
    _read[phase] = _read.get(phase, 0) + 1
    for fault in json.loads((Path(folder) / 'plan.json').read_text()):
        if fault['phase'] == phase and _read[phase] > fault['after'] and (_claim(Path(folder) / fault['id'])
                                                                          or fault.get('always')):
            _ACTIONS[fault['action']](Path(folder) / fault['id'])


def forget() -> None:
    """Count this process's images from 0 again."""
    _read.clear()


def _phase() -> str | None:
    frame = sys._getframe(2)
    while frame is not None:
        found = _PLACES.get((frame.f_globals.get('__name__', '').removeprefix('nni_dna.phases.'), frame.f_code.co_name))
        if found:
            return found
        frame = frame.f_back
    return None


def _claim(marker: Path) -> bool:
    try:
        marker.touch(exist_ok=False)
        return True
    except FileExistsError:
        return False


def _kill(marker: Path) -> None:
    os.kill(os.getpid(), signal.SIGKILL)


def _freeze(marker: Path) -> None:
    os.kill(os.getpid(), signal.SIGSTOP)


def _hang(marker: Path) -> None:
    while True:
        time.sleep(1)


def _wait(marker: Path) -> None:
    """Stay in this phase until the fault outside has happened."""
    deadline = time.monotonic() + 60
    while not marker.with_suffix('.go').exists() and time.monotonic() < deadline:
        time.sleep(0.1)


def _fill_memory(marker: Path) -> None:
    torch.empty(1 << 46)


def _call(marker: Path) -> None:
    """What a benchmark that runs the campaign in its own process has put here."""
    hook()


def hook() -> None:
    """Replaced by that benchmark."""


_ACTIONS = {'call': _call, 'kill': _kill, 'freeze': _freeze, 'hang': _hang, 'wait': _wait, 'memory': _fill_memory,
            'nan': lambda marker: _bad.add(float('nan')), 'inf': lambda marker: _bad.add(float('inf'))}


def _cell(label, in_channels, width, out_channels):
    return nn.Sequential(toys._layer(f'{label}a', in_channels, width, 2), toys._layer(f'{label}b', width, out_channels, 1))


class Many(ModelSpace):
    """Two blocks that choose among many cells of two layers, each cell of another width."""

    def __init__(self, num_classes=4, cells=24):
        super().__init__()
        self.blocks = nn.Sequential(
            LayerChoice({f'w{2 + i}': _cell(f'c{i}', 3, 2 + i, 4) for i in range(cells)}, label='cell1'),
            LayerChoice({f'w{2 + i}': _cell(f'd{i}', 4, 2 + i, 8) for i in range(cells)}, label='cell2'))
        self.classifier = nn.Linear(8, num_classes)

    def forward(self, x):
        return self.classifier(self.blocks(x).mean((2, 3)))
