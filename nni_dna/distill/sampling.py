"""Which paths a training step takes: uniform, or strictly fair (Chu et al., FairNAS, ICCV 2021). NumPy only."""

from __future__ import annotations

from abc import ABC, abstractmethod
from typing import Callable, Mapping, Sequence

import numpy as np

from ..settings.distillation import DistillSettings

__all__ = ['SupernetKey', 'Link', 'PathSampler', 'UniformPaths', 'FairPaths', 'StepSampler', 'SeparateSupernets',
           'ChainedSupernets', 'step_sampler']

SupernetKey = tuple[int, int]
"""(block index, index of the supernet within the block)"""

Path = tuple[int, ...]
"""One option per layer."""

Link = tuple[SupernetKey, int, Path]
"""A path of a supernet: which supernet, index of the cell among its cells, one option per layer."""

Radix = Sequence[Sequence[int]]
"""Per cell the number of candidates of each layer."""


class PathSampler(ABC):
    """Draws the paths of one supernet.

    Parameters
    ----------
    radix
        Of the supernet's cells.
    stream
        Random numbers of this supernet alone, so its paths do not depend on what trains beside it.
    """

    def __init__(self, radix: Radix, stream: np.random.Generator):
        self._radix = [tuple(cell) for cell in radix]
        self._stream = stream

    @property
    @abstractmethod
    def count(self) -> int:
        """How many paths a step takes."""

    @abstractmethod
    def draw(self, count: int) -> list[tuple[int, Path]]:
        """The (cell, path) pairs of a step; ``count`` of them, at least as many as the property says."""

    def _draw_cell(self) -> int:
        return int(self._stream.integers(len(self._radix)))


class UniformPaths(PathSampler):
    """Paths drawn independently of each other: first a cell, then an option for each of its layers.

    Parameters
    ----------
    radix, stream
        As for `PathSampler`.
    paths
        How many a step takes.
    """

    def __init__(self, radix: Radix, stream: np.random.Generator, paths: int):
        super().__init__(radix, stream)
        self._paths = paths

    @property
    def count(self) -> int:
        return self._paths

    def draw(self, count: int) -> list[tuple[int, Path]]:
        drawn = []
        for _ in range(count):
            cell = self._draw_cell()
            drawn.append((cell, tuple(int(self._stream.integers(base)) for base in self._radix[cell])))
        return drawn


class FairPaths(PathSampler):
    """Paths that together use each candidate of each layer equally often: strictly fair sampling.

    A step draws a cell and takes K paths of it, K being the largest number of candidates of any layer of the supernet. In a
    layer with K candidates each is used once, in random order. A layer with k < K candidates uses each K // k times; the K % k
    uses that are left go to different candidates, dealt from a shuffled deck that goes on from step to step and is shuffled
    anew when it is empty. So the uses of a layer's candidates differ by one at most, in every step and in all steps together.
    """

    def __init__(self, radix: Radix, stream: np.random.Generator):
        super().__init__(radix, stream)
        self._decks: list[list[list[int]]] = [[[] for _ in cell] for cell in self._radix]

    @property
    def count(self) -> int:
        return max((base for cell in self._radix for base in cell), default=1)

    def draw(self, count: int) -> list[tuple[int, Path]]:
        cell = self._draw_cell()
        columns = [self._column(base, deck, count) for base, deck in zip(self._radix[cell], self._decks[cell])]
        return [(cell, tuple(column[number] for column in columns)) for number in range(count)]

    def _column(self, base: int, deck: list[int], count: int) -> list[int]:
        """The options of one layer, path by path."""
        dealt: list[int] = []
        for _ in range(count % base):
            if not deck:
                # What this step has had comes last.
                deck.extend(sorted(self._shuffled(list(range(base))), key=lambda option: option not in dealt))
            dealt.append(deck.pop())
        return self._shuffled(list(range(base)) * (count // base) + dealt)

    def _shuffled(self, options: list[int]) -> list[int]:
        return [options[index] for index in self._stream.permutation(len(options))]


class StepSampler(ABC):
    """Draws what a training step takes."""

    @abstractmethod
    def chains(self) -> list[list[Link]]:
        """What runs in one step: each chain has links of one or more blocks that run behind each other, in the blocks' order."""


class SeparateSupernets(StepSampler):
    """Each supernet takes paths of its own, apart from the others.

    Parameters
    ----------
    samplers
        By supernet.
    """

    def __init__(self, samplers: Mapping[SupernetKey, PathSampler]):
        self._samplers = samplers

    def chains(self) -> list[list[Link]]:
        return [[(key, cell, path)] for key, sampler in self._samplers.items() for cell, path in sampler.draw(sampler.count)]


class ChainedSupernets(StepSampler):
    """One supernet of each block is drawn uniformly, and their paths run behind each other.

    Parameters
    ----------
    samplers
        By supernet.
    choices
        Random numbers of each block, from which its supernet is drawn.
    """

    def __init__(self, samplers: Mapping[SupernetKey, PathSampler], choices: Sequence[np.random.Generator]):
        self._samplers = samplers
        self._choices = choices
        self._supernets = [[key for key in samplers if key[0] == block] for block in range(len(choices))]
        self._count = max(sampler.count for sampler in samplers.values())

    def chains(self) -> list[list[Link]]:
        drawn = [supernets[int(choice.integers(len(supernets)))] for supernets, choice in zip(self._supernets, self._choices)]
        links = [[(key, cell, path) for cell, path in self._samplers[key].draw(self._count)] for key in drawn]
        return [list(chain) for chain in zip(*links)]


def step_sampler(settings: DistillSettings, radix: Mapping[SupernetKey, Radix], seed: int) -> StepSampler:
    """The sampler that the settings ask for.

    Parameters
    ----------
    settings
        The ``distill`` section.
    radix
        Of each supernet, in order.
    seed
        With the supernet's key it decides all of its paths.
    """
    make: Callable[[Radix, np.random.Generator], PathSampler] = FairPaths if settings.sampling == 'fair' else \
        lambda cells, stream: UniformPaths(cells, stream, settings.paths_per_step)
    samplers = {key: make(cells, np.random.default_rng((seed, *key))) for key, cells in radix.items()}
    if settings.input != 'cascade':
        return SeparateSupernets(samplers)
    blocks = sorted({block for block, _ in radix})
    return ChainedSupernets(samplers, [np.random.default_rng(np.random.SeedSequence((seed, block), spawn_key=(1,)))
                                       for block in blocks])
