"""How well do ratings order architectures? Kendall's tau between rating and stand-alone accuracy, beside trivial baselines.

The size space of NATS-Bench (a), whose accuracies are read from its table, and architectures of equal cost (b), which are
trained here: `train` does that for one seed, the longest part, and goes on where it was stopped; `rate` rates them. Several may
run at once.

    python benchmarks/ranking nats --data DATA --work WORK --teacher FILE --table CSV --measured 64 --out JSON --picture PNG
    python benchmarks/ranking train --data DATA --work WORK --teacher FILE --seed 0
    python benchmarks/ranking rate --data DATA --work WORK --teacher FILE --variants dna --one-shot 1 3
    python benchmarks/ranking networks --data DATA --work WORK --teacher FILE --seed 0
    python benchmarks/ranking report --work WORK --out JSON --picture PNG
"""

from __future__ import annotations

import argparse
import json
import sys
from pathlib import Path
from typing import Any

import torch

HERE = Path(__file__).resolve().parent
sys.path.append(str(HERE.parent.parent / 'examples' / 'cifar10'))  # the teacher's network

import distilled  # noqa: E402
import equal_cost  # noqa: E402
import nats  # noqa: E402
from images import CifarImages  # noqa: E402
from study import make_setup, with_teacher  # noqa: E402
from variants import SPACES, VARIANTS, sections_for  # noqa: E402


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument('command', choices=['nats', 'train', 'rate', 'networks', 'report'])
    parser.add_argument('--work', type=Path, required=True, help='folder for what was trained; what it has is not done again')
    parser.add_argument('--data', type=Path, help='CIFAR-10 as folders train/CLASS and test/CLASS of images')
    parser.add_argument('--teacher', type=Path, help='weights of the teacher; without them it is trained first')
    parser.add_argument('--training', type=int, default=20_000, help='images to train on')
    parser.add_argument('--seed', type=int, default=0, help='of all that is trained but the teacher')
    parser.add_argument('--table', type=Path, help="nats: the benchmark's table, with the columns channels and cifar10_accuracy")
    parser.add_argument('--cut', choices=list(nats.CUTS), default='stages', help='nats: where the network is cut into blocks')
    parser.add_argument('--measured', type=int, default=0, help='nats: architectures whose one-shot accuracy is measured')
    parser.add_argument('--one-shot', type=int, nargs='*', default=[], metavar='TIMES',
                        help="rate: how often the images of DNA's supernets the one-shot supernet sees")
    parser.add_argument('--variants', nargs='*', default=[], choices=list(VARIANTS), help='rate: by which of them')
    parser.add_argument('--space', choices=list(SPACES), default='even', help='train, rate, report: of the architectures')
    parser.add_argument('--count', type=int, default=60, help='train, rate: architectures')
    parser.add_argument('--epochs', type=int, help='passes over the training images; nats: of the supernets (2); train: of each '
                        'architecture (2)')
    parser.add_argument('--out', type=Path, help='nats, report: JSON file')
    parser.add_argument('--picture', type=Path, help='nats, report: PNG file')
    arguments = parser.parse_args()
    torch.set_num_threads(1)
    if arguments.command == 'report':
        keep(arguments.out, equal_cost.report(arguments))
        return
    images = CifarImages(arguments.data, arguments.work, arguments.training)
    if arguments.command == 'nats':
        keep(arguments.out, nats.run(arguments, images))
        return
    setup = make_setup(images, arguments.work / 'dna', with_teacher(sections_for(arguments.space), arguments.teacher))
    sample = equal_cost.Sample(arguments.work, setup, SPACES[arguments.space][1], arguments.count)
    if arguments.command == 'networks':
        rated = make_setup(images, arguments.work / 'dna-0', with_teacher(sections_for(arguments.space), arguments.teacher))
        chosen = distilled.winners_of(rated, SPACES[arguments.space][1] * (1 + equal_cost.TOLERANCE))
        distilled.train_networks(rated, images, chosen, arguments.work / f'networks-seed{arguments.seed}.json',
                                 arguments.epochs or 2, arguments.seed)
    elif arguments.command == 'train':
        sample.train(setup, images, arguments.epochs or 2, arguments.seed)
    else:
        equal_cost.rate(sample, images, arguments)


def keep(file: Path, found: dict[str, Any]) -> None:
    """Write what was found, with the command."""
    file.write_text(json.dumps({'command': ' '.join(['python benchmarks/ranking', *sys.argv[1:]]), **found}) + '\n')


if __name__ == '__main__':
    main()
