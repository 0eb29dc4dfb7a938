"""All that the sections of a report draw from: the work folder, and the experiment's parts where they can be made again."""

from __future__ import annotations

from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np

from ...campaign.setup import Setup
from ...errors import NniDnaError
from .folder import Folder, read_folder
from .rebuilt import rebuild_setup
from .standing import share_rated_as_well

__all__ = ['Case', 'open_case']


@dataclass(frozen=True, kw_only=True)
class Case:
    """An experiment to report on.

    Attributes
    ----------
    folder
        What its files say.
    setup
        Its parts; None where they cannot be made again.
    missing
        Why they cannot; empty where they can.
    """

    folder: Folder
    setup: Setup | None
    missing: str = ''

    @property
    def has_evaluator(self) -> bool:
        """Whether it is a NasExperiment, whose evaluator retrains, rather than a YAML file's."""
        return 'evaluator' in self.folder.settings

    @property
    def quality(self) -> str:
        """What a retrained network is judged by."""
        if not self.has_evaluator:
            return 'accuracy on the test images'
        return 'accuracy on the validation images' if self.percent else 'final metric of the evaluator'

    @property
    def percent(self) -> bool:
        """Whether that is a share."""
        return not self.has_evaluator or str(self.folder.settings['evaluator'].get('class', '')).endswith(':Classification')

    def whole_table(self, block: str) -> np.ndarray | None:
        """(paths,) The ratings of a block; None where a cell's are not there."""
        assert self.folder.ranking is not None
        found = [cell.ratings for cell in self.folder.ratings.get(block, [])]
        whole = sum(map(len, found)) == self.folder.ranking['paths'][block]['rated']
        return np.concatenate(found) if whole else None

    def share_rated_as_well(self, rating: float) -> float | None:
        """The share of all combinations of rated paths that are rated as well or better; None where a table is not there."""
        assert self.folder.ranking is not None
        tables = [self.whole_table(block) for block in self.folder.ranking['paths']]
        known = [table for table in tables if table is not None]
        return share_rated_as_well(known, rating) if len(known) == len(tables) else None


def open_case(root: Path) -> Case:
    """Read a work folder, and make the experiment's parts again.

    Raises
    ------
    WorkFolderError
        If this is no work folder.
    """
    folder = read_folder(root)
    try:
        setup = rebuild_setup(folder.work)
        setup.costs  # takes images, space and teacher
    except Exception as error:  # ours, or of the user's own modules, or a model hub out of reach
        missing = str(error) if isinstance(error, NniDnaError) else f'{type(error).__name__}: {error}'
        found = Case(folder=folder, setup=None, missing=missing)
        hint = '. The images of a NasExperiment are there again only if NNI traced their data set (nni.trace)'
        return replace(found, missing=missing + hint) if found.has_evaluator else found
    return Case(folder=folder, setup=setup)
