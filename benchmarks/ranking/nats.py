"""(a) NATS-Bench's size space on CIFAR-10: the ratings of all 32,768 architectures beside the benchmark's accuracies."""

from __future__ import annotations

import csv
import json
from pathlib import Path
from typing import Any, Mapping

import numpy as np

from agreement import agreement, difference
from images import CifarImages
from nats_space import architecture_of
from one_shot import measure
from pictures import scatter
from study import StudySetup, make_setup, rate_all, ratings_of, with_teacher

__all__ = ['CUTS', 'costs_of', 'read_table', 'run', 'sections_of', 'sum_of_log_widths']

_RESAMPLES = 100  # thousands of architectures: the intervals are narrow

CUTS: dict[str, tuple[list[str], list[str]]] = {
    'stages': (['cell1', 'reduce2', 'cell3', 'reduce4', 'cell5'], ['stem', 'stage1.0', 'stage1', 'stage2.0', 'stage2']),
    'bossnas': (['reduce2', 'reduce4', 'cell5'], ['stage1', 'stage2.0', 'stage2']),
}
"""Where the network is cut: after each width, or as BossNAS does into [w1 w2] [w3 w4] [w5]; and the teacher's stages."""


def sections_of(cut: str, epochs: int = 2) -> dict[str, Any]:
    """The sections of the settings.

    Parameters
    ----------
    cut
        One of ``CUTS``.
    epochs
        Passes of the supernets over the training images; the learning rates fall to 4% over them.
    """
    ends, stages = CUTS[cut]
    return {
        'teacher': {'name': 'networks.SmallResNet', 'args': {'width': 32, 'depth': 2}, 'stages': stages, 'epochs': 6, 'lr': 4e-3},
        'space': {'name': 'nats_space.NatsSizeSpace', 'blocks': ends},
        'distill': {'tasks': 'joint', 'epochs': epochs, 'lr_decay': round(0.04 ** (1 / epochs), 3)},
        'rate': {'calibration_images': 64},  # in one piece, as the rating cuts images; in several it takes ten times as long
    }


def read_table(file: Path) -> tuple[list[dict[str, int]], np.ndarray]:
    """The benchmark's architectures, and (architectures,) their accuracies from 0 to 1."""
    with file.open() as lines:
        rows = list(csv.DictReader(lines))
    return [architecture_of(row['channels']) for row in rows], np.array([float(row['cifar10_accuracy']) for row in rows]) / 100


def costs_of(setup: StudySetup, architectures: list[Mapping[str, Any]]) -> tuple[np.ndarray, np.ndarray]:
    """(architectures,) Parameters and multiply-adds."""
    costs = [setup.costs.total(setup.chain, setup.chain.paths_of(architecture)) for architecture in architectures]
    return np.array([cost.params for cost in costs]), np.array([cost.madds for cost in costs])


def sum_of_log_widths(architectures: list[Mapping[str, Any]]) -> np.ndarray:
    """(architectures,) Larger means wider."""
    return np.log([list(architecture.values()) for architecture in architectures]).sum(axis=1)


def run(arguments: Any, images: CifarImages) -> dict[str, Any]:
    """Rate all architectures, and some by the one-shot supernet; what there is to say of it as JSON-able data.

    Parameters
    ----------
    arguments
        The command line.
    images
        CIFAR-10.
    """
    sections = sections_of(arguments.cut, arguments.epochs or 2)
    setup = make_setup(images, arguments.work / f'nats-{arguments.cut}-{sections["distill"]["epochs"]}-{arguments.seed}',
                       with_teacher(sections, arguments.teacher), arguments.seed)
    tables = rate_all(setup)
    architectures, accuracy = read_table(arguments.table)
    by_block = ratings_of(setup, tables, architectures)
    params, madds = costs_of(setup, architectures)
    ratings = {'DNA': by_block.sum(axis=1),
               **{f'DNA, {block.name} alone': column for block, column in zip(setup.chain.blocks, by_block.T)},
               'parameters': -params, 'multiply-adds': -madds, 'sum of log widths': -sum_of_log_widths(architectures)}
    around = np.abs(madds / np.median(madds) - 1) <= 0.1
    found = {name: {rating: agreement(values[chosen], accuracy[chosen], resamples=_RESAMPLES).plain()
                    for rating, values in ratings.items()}
             for name, chosen in (('all', slice(None)), ('within 10% of the median multiply-adds', around))}
    print(json.dumps(found, indent=1), flush=True)
    title = {name: f'{found["all"][name]["tau"]:.2f}' for name in ('DNA', 'sum of log widths', 'parameters')}
    scatter(arguments.picture, {name: ratings[name] * (1 if name == 'DNA' else -1) for name in title}, accuracy, title)
    result = {'seed': arguments.seed, 'training_images': images.count, 'sections': sections, 'tau': found,
              'ratings': [table.round(6).tolist() for table in tables]}
    if arguments.measured:
        chosen = np.random.default_rng(0).choice(len(architectures), arguments.measured, replace=False)
        measured = np.array(measure(setup.build_space, images, [architectures[index] for index in chosen], seed=arguments.seed,
                                    epochs=sections['distill']['epochs'], calibration=sections['rate']['calibration_images']))
        ratings = {**{name: values[chosen] for name, values in ratings.items()},
                   'one-shot accuracy': -measured[:, 0], 'one-shot cross entropy': measured[:, 1]}
        found['architectures measured by the one-shot supernet'] = {
            name: agreement(values, accuracy[chosen]).plain() for name, values in ratings.items()}
        found['DNA less one-shot'] = {name: difference(ratings['DNA'], ratings[name], accuracy[chosen]).plain()
                                      for name in ('one-shot accuracy', 'one-shot cross entropy')}
        result['one_shot'] = {'architectures': chosen.tolist(), 'accuracy_and_cross_entropy': measured.round(4).tolist()}
        print(json.dumps(found, indent=1), flush=True)
    return result
