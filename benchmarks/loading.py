"""Do loader processes that read images ahead make a step of the distillation faster?

All cells of `dna` learn from an EfficientNet-B0 with random weights, in one task, on a folder of images that are decoded, cropped
and jittered as on ImageNet (`preset: imagenet`). Seconds of wall-clock time a step, waiting for images included, over the steps
of an epoch but the first two; the fastest of some rounds.

    python -W ignore benchmarks/loading.py FOLDER_WITH_TRAIN_AND_VAL --workers 0 1 2
"""

from __future__ import annotations

import argparse
import time
from pathlib import Path
from typing import Any

import pytorch_lightning as pl
import torch

from nni_dna.campaign.config import ConfigSetup
from nni_dna.distill import BlockwiseDistillation
from nni_dna.lightning import make_trainer
from nni_dna.settings import read_settings
from nni_dna.teacher import StagedTeacher


class Clock(pl.Callback):
    """When each step ended."""

    def __init__(self) -> None:
        self.ends: list[float] = []

    def on_train_batch_end(self, *_: Any) -> None:
        if torch.cuda.is_available():
            torch.cuda.synchronize()
        self.ends.append(time.perf_counter())


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument('folder', type=Path)
    parser.add_argument('--workers', type=int, nargs='+', default=[0, 1, 2])
    parser.add_argument('--image-size', type=int, default=64)
    parser.add_argument('--batch-size', type=int, default=32)
    parser.add_argument('--steps', type=int, default=10)
    parser.add_argument('--rounds', type=int, default=2)
    arguments = parser.parse_args()
    torch.set_num_threads(1)
    best = {workers: float('inf') for workers in arguments.workers}
    for _ in range(arguments.rounds):
        for workers in best:
            best[workers] = min(best[workers], seconds(arguments, workers))
    for workers, found in best.items():
        print(f'data.workers: {workers}  {found:.3f} s a step')


def seconds(arguments: argparse.Namespace, workers: int) -> float:
    """A step's, with as many loader processes."""
    setup = ConfigSetup(read_settings({
        'work': 'never_written', 'preset': 'imagenet', 'distill': {'epochs': 1},
        'data': {'root': str(arguments.folder.resolve()), 'image_size': arguments.image_size, 'holdout_images': 100,
                 'batch_size': arguments.batch_size, 'workers': workers},
        'teacher': {'name': 'efficientnet_b0', 'weights': 'train'}}, Path.cwd()), {})
    space = setup.build_space()
    supernets = {(b, s): setup.supernet(space, b, name) for b, s, _, name in setup.chain.supernets()}
    teacher = StagedTeacher(setup.untrained_teacher(), setup.matching.stages)
    clock = Clock()
    module = BlockwiseDistillation(teacher, supernets, setup.settings.distill, 0, lambda means: None)
    make_trainer(1, callbacks=[clock], limit_train_batches=2 + arguments.steps).fit(module, setup.data.distillation())
    return (clock.ends[-1] - clock.ends[1]) / (len(clock.ends) - 2)


if __name__ == '__main__':
    main()
