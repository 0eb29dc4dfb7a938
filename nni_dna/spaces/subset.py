"""Which paths to rate where there are too many to rate all."""

from __future__ import annotations

import dataclasses
import random

from .chain import Block, Chain

__all__ = ['limit_paths']


def limit_paths(chain: Chain, most: int, seed: int) -> Chain:
    """Keep at most so many paths of each block: a seeded, uniform sample without replacement.

    Every cell keeps the same number, or all of its paths where it has fewer, and at least one.

    Parameters
    ----------
    chain
        The blocks.
    most
        Paths to rate of a block.
    seed
        Of the choice.
    """
    return dataclasses.replace(chain, blocks=tuple(
        _limit(block, most, random.Random(f'{seed}/{block.name}')) for block in chain.blocks))


def _limit(block: Block, most: int, rng: random.Random) -> Block:
    if block.all_paths <= most:
        return block
    left, shares = most, [0] * len(block.cells)
    for number, index in enumerate(sorted(range(len(block.cells)), key=lambda index: block.cells[index].all_paths)):
        shares[index] = min(max(1, left // (len(block.cells) - number)), block.cells[index].all_paths)
        left -= shares[index]
    return dataclasses.replace(block, cells=tuple(
        cell if share == cell.all_paths else dataclasses.replace(cell, subset=_draw(cell.all_paths, share, rng))
        for cell, share in zip(block.cells, shares)))


def _draw(total: int, count: int, rng: random.Random) -> tuple[int, ...]:
    drawn: set[int] = set()
    while len(drawn) < count:  # random.sample takes no range beyond 2**63
        drawn.add(rng.randrange(total))
    return tuple(sorted(drawn))
