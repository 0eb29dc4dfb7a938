"""How well do ratings order architectures? Kendall's tau between rating and stand-alone accuracy, beside the trivial baselines.

    python benchmarks/ranking sample --images DATA --teacher FILE --work WORK        # (b) trains the architectures alone: long
"""

from __future__ import annotations

import argparse
import sys
from pathlib import Path

import torch

HERE = Path(__file__).resolve().parent
sys.path.append(str(HERE.parent.parent / 'examples' / 'cifar10'))  # the teacher's network

import equal_cost  # noqa: E402
from images import CifarImages  # noqa: E402
from study import make_setup  # noqa: E402


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument('command', choices=['sample'])
    parser.add_argument('--data', type=Path, required=True, help='CIFAR-10 as folders train/CLASS and test/CLASS of images')
    parser.add_argument('--work', type=Path, required=True, help='folder for what was trained; what it has is not done again')
    parser.add_argument('--teacher', type=Path, help="weights of the teacher; without them it is trained first")
    parser.add_argument('--count', type=int, default=64)
    parser.add_argument('--seeds', type=int, default=3)
    parser.add_argument('--epochs', type=int, default=2)
    parser.add_argument('--training', type=int, default=20_000)
    arguments = parser.parse_args()
    torch.set_num_threads(1)
    images = CifarImages(arguments.data, arguments.work, arguments.training)
    sections = {**equal_cost.SECTIONS}
    if arguments.teacher:
        sections['teacher'] = {**sections['teacher'], 'weights': str(arguments.teacher.resolve())}
    setup = make_setup(images, arguments.work / 'dna', sections)
    sample = equal_cost.Sample(arguments.work / 'sample.json', setup, arguments.count)
    equal_cost.train_sample(sample, setup, images, arguments.epochs, arguments.seeds)


if __name__ == '__main__':
    main()
