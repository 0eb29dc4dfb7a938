"""What the files of a work folder say by themselves: no data, no model space, no teacher."""

from __future__ import annotations

import json
import re
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Mapping
from urllib.parse import unquote

import numpy as np

from ...campaign.progress import Progress, read_progress
from ...campaign.records import losses_of
from ...campaign.tasks import TEACHER_ID
from ...campaign.work import WorkFolder
from ...errors import ResultError

__all__ = ['CellRatings', 'Folder', 'read_folder']


@dataclass(frozen=True, kw_only=True, eq=False)
class CellRatings:
    """The ratings of one cell's paths.

    Attributes
    ----------
    name
        The cell's.
    choice
        What picks it (label to value): its depth and width; empty where the block has one cell.
    ratings
        (paths,), smaller is better.
    chosen
        The rating of the path that the best architecture takes; None where it takes another cell, or none is found yet.
    """

    name: str
    choice: Mapping[str, Any]
    ratings: np.ndarray
    chosen: float | None = None


@dataclass(frozen=True, kw_only=True)
class Folder:
    """A work folder as its files are.

    Attributes
    ----------
    work
        The folder.
    record
        The experiment that it belongs to.
    progress
        How far it is.
    ranking
        What ``ranking.json`` holds; None before the search.
    teacher_accuracy
        Of the teacher on the held-out images, where the experiment trained it.
    losses
        Block to supernet (a cell, or ``only``) to the mean loss of each epoch; None in one in which it was not trained.
    ratings
        Block to its cells' ratings, in the order of the cells.
    started, last
        Times of the first and the last event, in seconds since 1970; None where nothing has happened.
    notices
        What should be there and is damaged.
    """

    work: WorkFolder
    record: Mapping[str, Any]
    progress: Progress
    ranking: Mapping[str, Any] | None
    teacher_accuracy: float | None = None
    losses: dict[str, dict[str, list[float | None]]] = field(default_factory=dict)
    ratings: dict[str, list[CellRatings]] = field(default_factory=dict)
    started: float | None = None
    last: float | None = None
    notices: list[str] = field(default_factory=list)

    @property
    def settings(self) -> Mapping[str, Any]:
        """The experiment's settings."""
        return self.record['settings']

    @property
    def entries(self) -> list[Mapping[str, Any]]:
        """The ranked architectures, best first; none before the search."""
        return list(self.ranking['ranking']) if self.ranking else []


def read_folder(root: Path) -> Folder:
    """Read a work folder, whatever it holds by now.

    Parameters
    ----------
    root
        The folder.

    Raises
    ------
    WorkFolderError
        If this is no work folder, or its journal is damaged.
    """
    work = WorkFolder(root)
    events = work.events()
    found = Folder(work=work, record=work.record(), progress=read_progress(work), ranking=work.read_ranking(),
                   started=events[0]['time'] if events else None, last=events[-1]['time'] if events else None)
    finished = {event['task']: event for event in events if event['event'] == 'finished'}
    teacher = None
    for task in sorted(finished, key=_natural):
        try:
            result = work.read_result(task, finished[task]['sha256'], finished[task]['basis'])
            if task.startswith('distill/'):
                _take_supernets(found, result)
        except ResultError as error:
            found.notices.append(f'{error}; the experiment runs this task again')
            continue
        if task == TEACHER_ID:
            teacher = result
    accuracy = teacher['details'].get('accuracy') if teacher else None
    return Folder(**{**vars(found), 'teacher_accuracy': accuracy})


def _take_supernets(found: Folder, result: Mapping[str, Any]) -> None:
    for key, losses in losses_of(result).items():
        block, _, name = key.partition('/')
        found.losses.setdefault(block, {})[name] = losses
    for name in sorted(result['files'], key=_natural):
        file = found.work.root / name
        if file.name == 'ratings.npz':
            try:
                _, block, supernet = Path(name).parent.parts
                found.ratings.setdefault(block, []).extend(_cells(file, unquote(supernet), _chosen(found, block)))
            except Exception as error:  # zip, header and key errors have no common root
                raise ResultError(f'{result["task"]}: expected {name} to be a rating table of this experiment, got '
                                  f'{type(error).__name__}: {error}') from error


def _chosen(found: Folder, block: str) -> tuple[Mapping[str, Any], float] | None:
    """The best architecture, and the rating of its path in a block."""
    if not found.entries:
        return None
    best = found.entries[0]
    return best['architecture'], best['block_ratings'][int(block.removeprefix('block')) - 1]


def _cells(file: Path, supernet: str, best: tuple[Mapping[str, Any], float] | None) -> list[CellRatings]:
    with np.load(file, allow_pickle=False) as table:
        ratings, described = table['ratings'], json.loads(str(table['paths']))
    cells, before = [], 0
    for choice, layers, subset in described:
        paths = int(np.prod([len(options) for options in layers])) if subset is None else len(subset)
        own = ratings[before:before + paths]
        before += paths
        takes = best is not None and choice.items() <= best[0].items() and best[1] in own
        cells.append(CellRatings(name=_name(choice, supernet), choice=choice, ratings=own,
                                 chosen=best[1] if best and takes else None))
    return cells


def _name(choice: Mapping[str, Any], supernet: str) -> str:
    values = ','.join(str(value) for value in choice.values())
    return values if values == supernet else ','.join(f'{label}={value}' for label, value in choice.items()) or supernet


def _natural(name: str) -> list[Any]:
    """Sorts block10 after block2."""
    return [(int(part), '') if part.isdigit() else (-1, part) for part in re.split(r'(\d+)', name)]
