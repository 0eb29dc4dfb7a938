"""What a campaign has rated, read from its work folder alone: no torch, no data, while it runs elsewhere."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Mapping, Sequence

import numpy as np

from ..errors import ResultError
from ..files import sha256
from .progress import read_progress
from .stored import COSTS_FILE, StoredCosts, block_ratings, load_costs
from .tasks import supernet_id
from .work import WorkFolder

__all__ = ['Rated', 'read_costs', 'read_rated']


@dataclass(frozen=True, kw_only=True, eq=False)
class Rated:
    """The ratings and the costs of all paths.

    Attributes
    ----------
    costs
        Of all paths, and the chain whose paths these are.
    ratings
        Per block (paths,), smaller is better.
    """

    costs: StoredCosts
    ratings: Sequence[np.ndarray]


def read_rated(work: WorkFolder) -> Rated:
    """Read the rating tables and the cost tables that the last ranking was made from; each must be what the journal says.

    Raises
    ------
    WorkFolderError
        If this is no work folder or the journal is damaged.
    ResultError
        If blocks are not rated yet (names them), or a file is missing, damaged or not the one that was rated.
    """
    ranked = _ranked(work)
    for task_id, digest in ranked['results'].items():
        work.read_result(task_id, digest, only='ratings.npz')
    costs = _costs(work, ranked['costs'])
    return Rated(costs=costs, ratings=[block_ratings(work.root, block) for block in costs.chain.blocks])


def read_costs(work: WorkFolder) -> StoredCosts:
    """Read the cost tables alone; raises as `read_rated` does."""
    return _costs(work, _ranked(work)['costs'])


def _ranked(work: WorkFolder) -> dict[str, Any]:
    """The journal's last ranking."""
    work.record()
    events = work.events()
    ranked = next((event for event in reversed(events) if event['event'] == 'ranked'), None)
    if ranked is None:
        raise ResultError(f'{work.root}: not all blocks are rated yet: {_missing(work, events)}; search when they are')
    if 'costs' not in ranked:
        raise ResultError(f'{work.root}: the experiment ran with an earlier version of nni_dna, which kept no cost tables; start '
                          'it again on this work folder, which writes them and trains nothing again')
    return ranked


def _costs(work: WorkFolder, digest: str) -> StoredCosts:
    path = work.root / COSTS_FILE
    if not path.is_file() or sha256(path) != digest:
        raise ResultError(f'{path} is missing or not the file that the experiment wrote (its SHA-256 differs); start the '
                          'experiment again, which writes it')
    return load_costs(path)


def _missing(work: WorkFolder, events: Sequence[Mapping[str, Any]]) -> str:
    """What is still to be done before a search."""
    counts = read_progress(work).counts
    phases = ', '.join(f'{phase} {counts[phase][0]} of {counts[phase][1]}' for phase in ('teacher', 'distill') if phase in counts)
    finished = {event['task'] for event in events if event['event'] == 'finished'}
    if not (work.root / COSTS_FILE).is_file():
        return phases or 'nothing was started'
    left = [f'{block.name}/{name}' for _, _, block, name in load_costs(work.root / COSTS_FILE).chain.supernets()
            if supernet_id(block, name) not in finished]
    return f'{phases} done, {", ".join(left)} missing'
