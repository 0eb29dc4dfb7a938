"""(a) NATS-Bench's size space on CIFAR-10: the ratings of all 32,768 architectures beside the benchmark's accuracies."""

from __future__ import annotations

import csv
from pathlib import Path
from typing import Any, Mapping

import numpy as np

from nats_space import architecture_of
from study import StudySetup

__all__ = ['SECTIONS', 'read_table', 'costs_of', 'sum_of_log_widths']

SECTIONS: dict[str, Any] = {
    'teacher': {'name': 'networks.SmallResNet', 'args': {'width': 32, 'depth': 2}, 'stages': ['stage1', 'stage2.0', 'stage2'],
                'epochs': 6, 'lr': 4e-3},
    'space': {'name': 'nats_space.NatsSizeSpace'},
    'distill': {'tasks': 'joint', 'epochs': 4, 'lr_decay': 0.4},
    'rate': {'calibration_images': 256},
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
