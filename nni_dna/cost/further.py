"""Costs beside parameters and multiply-adds: peak activation memory and latency."""

from __future__ import annotations

import functools
import operator
from dataclasses import dataclass
from typing import Callable, Iterable

import numpy as np

from ..spaces.chain import Chain
from .layers import over_paths
from .parts import NetworkParts, Trace

__all__ = ['FurtherCosts', 'MEMORY', 'LATENCY', 'memory_costs', 'latency_costs']

MEMORY = 'memory'
"""Peak activation memory in bytes; its limit is ``max_memory``."""
LATENCY = 'latency_ms'
"""Milliseconds of a forward pass; its limit is ``max_latency_ms``."""


@dataclass(frozen=True, kw_only=True, eq=False)
class FurtherCosts:
    """One cost of all rated paths.

    Attributes
    ----------
    name
        ``MEMORY`` or ``LATENCY``.
    peak
        Whether a network's is the largest of its parts', and not their sum.
    blocks
        Per block an array (borders of the block before, paths).
    rest
        An array (borders of the last block,): what is outside the blocks.
    """

    name: str
    peak: bool
    blocks: tuple[np.ndarray, ...]
    rest: np.ndarray

    def total(self, chain: Chain, paths: tuple[int, ...]) -> int | float:
        """That of a whole network, given one path number per block; joined in block order, what is outside last."""
        parts, before = [], 0
        for block, costs, path in zip(chain.blocks, self.blocks, paths):
            parts.append(costs[before, path].item())
            before = block.cell_borders[block.locate(path)[0]]
        parts.append(self.rest[before].item())
        return max(parts) if self.peak else functools.reduce(operator.add, parts)  # sum() rounds otherwise from Python 3.12 on


def memory_costs(parts: NetworkParts) -> FurtherCosts:
    """Peak activation memory in bytes (int64) for one float32 image; exact: see :class:`nni_dna.cost.operations.Trace`."""
    return _join(parts, MEMORY, True, np.maximum, np.int64, lambda trace: trace.peak)


def latency_costs(parts: NetworkParts, milliseconds: Callable[[Trace], float]) -> FurtherCosts:
    """Milliseconds (float64), the sum of those of a network's parts.

    Parameters
    ----------
    parts
        The parts.
    milliseconds
        Those of a part.
    """
    return _join(parts, LATENCY, False, np.add, np.float64, milliseconds)


def _join(parts: NetworkParts, name: str, peak: bool, join: np.ufunc, dtype: type, value: Callable[[Trace], float]
          ) -> FurtherCosts:
    def values(traces: Iterable[Trace]) -> np.ndarray:
        return np.array([value(trace) for trace in traces], dtype=dtype)

    blocks = [np.stack([np.concatenate([over_paths(cell, [values(layer) for layer in layers], join)
                                        for cell, layers in zip(block.cells, cells)]) for cells in by_border])
              for block, by_border in zip(parts.chain.blocks, parts.blocks)]
    rest: np.ndarray = np.array([join.reduce(values([*parts.stem, tail])) for tail in parts.tails], dtype=dtype)
    return FurtherCosts(name=name, peak=peak, blocks=tuple(blocks), rest=rest)
