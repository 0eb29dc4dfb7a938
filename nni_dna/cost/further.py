"""Costs beside parameters and multiply-adds: peak activation memory and latency."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Callable

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
        join = max if self.peak else _add
        total, before = None, 0
        for block, costs, path in zip(chain.blocks, self.blocks, paths):
            part = costs[before, path].item()
            total = part if total is None else join(total, part)
            before = block.cell_borders[block.locate(path)[0]]
        return join(total, self.rest[before].item())


def _add(one: float, other: float) -> float:
    return one + other


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


def _join(parts: NetworkParts, name: str, peak: bool, join: np.ufunc, dtype: type, value: Callable[[Trace], float]) -> FurtherCosts:
    blocks = []
    for block, by_border in zip(parts.chain.blocks, parts.blocks):
        blocks.append(np.stack([
            np.concatenate([over_paths(cell, [np.array([value(trace) for trace in layer], dtype=dtype) for layer in layers], join)
                            for cell, layers in zip(block.cells, cells)]) for cells in by_border]))
    rest = np.array([join.reduce([value(trace) for trace in (*parts.stem, tail)]) for tail in parts.tails], dtype=dtype)
    return FurtherCosts(name=name, peak=peak, blocks=tuple(blocks), rest=rest)
