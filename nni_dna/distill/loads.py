"""How long the supernets take to train, and which of them to train together so that several trials end at about the same time."""

from __future__ import annotations

import statistics
import time
from dataclasses import dataclass
from functools import partial
from typing import Callable, Mapping, Sequence

import numpy as np
import torch

from ..supernet.supernet import BlockSupernet
from ..teacher.stages import StagedTeacher
from .loss import distillation_loss
from .sampling import SupernetKey

__all__ = ['Loads', 'balanced', 'measure_loads']

_PATHS = 5
"""Paths of a supernet that are timed."""


@dataclass(frozen=True, kw_only=True)
class Loads:
    """Seconds of a training step, for a few images: only their proportions count.

    Attributes
    ----------
    teacher
        Per block: the teacher's pass up to its stage.
    supernets
        Forward and backward pass of a path.
    """

    teacher: Sequence[float]
    supernets: Mapping[SupernetKey, float]

    def of(self, group: Sequence[SupernetKey]) -> float:
        """A step of these supernets, fed by one teacher pass."""
        return self.teacher[max(block for block, _ in group)] + sum(self.supernets[key] for key in group)


def balanced(loads: Loads, count: int) -> list[list[SupernetKey]]:
    """Share supernets among trials, so that the longest takes about as short as it can.

    The longest first, each to the trial that is the shortest with it (Graham's rule of the longest processing time); then the
    longest trial gives a supernet away, or exchanges one, as long as that helps. A trial runs the teacher once, up to the stage
    of its last block.

    Parameters
    ----------
    loads
        What each takes.
    count
        How many trials; no more than there are supernets are made.

    Returns
    -------
    list of list of SupernetKey
        Per trial its supernets in order; the trial of the first supernet comes first.
    """
    groups: list[list[SupernetKey]] = [[] for _ in range(min(count, len(loads.supernets)))]
    for key in sorted(loads.supernets, key=lambda key: (-loads.of([key]), key)):
        min(groups, key=lambda group: loads.of([*group, key])).append(key)
    while _relieve(loads, groups):
        pass
    return sorted(sorted(group) for group in groups)


def _relieve(loads: Loads, groups: list[list[SupernetKey]]) -> bool:
    """Make the longest trial shorter by the best single move, where there is one that leaves no other as long."""
    longest = max(groups, key=loads.of)
    best, change = loads.of(longest), None
    for other in groups:
        for key in longest if other is not longest else ():
            for back in ([], *([key] for key in other)):
                changed = [part for part in longest if part != key] + back, [part for part in other if part not in back] + [key]
                if changed[0] and (length := max(map(loads.of, changed))) < best:
                    best, change = length, (other, changed)
    if change is not None:
        other, (longest[:], other[:]) = change
    return change is not None


def measure_loads(teacher: StagedTeacher, supernets: Mapping[SupernetKey, BlockSupernet], images: torch.Tensor) -> Loads:
    """Time the teacher and some random paths of each supernet, on the device of the images.

    Parameters
    ----------
    teacher
        As it feeds the blocks.
    supernets
        All of them; moved to the device of the images while they are timed.
    images
        (batch, channels, height, width).
    """
    device = images.device
    teacher.to(device)
    targets = teacher(images)
    inputs = [images, *targets[:-1]]
    seconds = [_median(partial(teacher, images, block + 1), 3, device) for block in range(len(targets))]
    random = np.random.default_rng(0)
    found: dict[SupernetKey, float] = {}
    for key, supernet in sorted(supernets.items()):
        supernet.to(device).train()

        def step() -> None:
            cell = int(random.integers(len(supernet.radix)))
            path = [int(random.integers(options)) for options in supernet.radix[cell][1:-1]]
            distillation_loss(supernet(inputs[key[0]], cell, path), targets[key[0]]).backward()

        found[key] = _median(step, _PATHS, device)
        supernet.zero_grad()
        supernet.cpu()
    return Loads(teacher=seconds, supernets=found)


def _median(run: Callable[[], object], times: int, device: torch.device) -> float:
    run()  # warms up
    seconds = []
    for _ in range(times):
        _wait(device)
        begin = time.perf_counter()
        run()
        _wait(device)
        seconds.append(time.perf_counter() - begin)
    return statistics.median(seconds)


def _wait(device: torch.device) -> None:
    if device.type == 'cuda':
        torch.cuda.synchronize(device)
