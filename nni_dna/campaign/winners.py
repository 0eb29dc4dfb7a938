"""The retrained winners in a work folder."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any, Mapping

from torch import nn

from ..errors import ResultError
from .work import WorkFolder

__all__ = ['Winner', 'find_winner']


@dataclass(frozen=True, kw_only=True)
class Winner:
    """A retrained winner in a work folder.

    Attributes
    ----------
    folder
        The work folder.
    ranking
        What its ``ranking.json`` holds.
    entry
        The winner's entry in it.
    """

    folder: WorkFolder
    ranking: Mapping[str, Any]
    entry: Mapping[str, Any]

    def files(self) -> dict[str, str]:
        """The SHA-256 of each file of its training, all checked.

        Raises
        ------
        ResultError
            If they are not what the trial wrote.
        """
        return self.folder.read_result(str(Path(self.entry['weights']).parent))['files']

    def network(self) -> nn.Module:
        """As `load` gives it."""
        from ..spaces.build import build_space
        from ..spaces.freezing import plain_network
        from ..trust import import_from
        from ..weights import load_weights

        file, rank = self.folder.root / self.entry['weights'], self.entry['rank']
        if self.entry['weights'] not in self.files():
            raise ResultError(f'rank {rank}: {file} is not what the trial wrote; start the experiment again, which writes '
                              'ranking.json')
        space = self.folder.record()['settings']['space']
        import_from(self.folder.settings_file, [space['name']], self.folder.code_folder())
        network = plain_network(build_space(space['name'], space['args'], self.ranking['num_classes']),
                                self.entry['architecture'])
        load_weights(network, file, f'rank {rank}')
        return network.eval()


def find_winner(work: str | Path, rank: int) -> Winner:
    """Find a retrained winner in a work folder.

    Raises
    ------
    WorkFolderError
        If this is no work folder.
    ResultError
        If there is no such winner yet.
    """
    folder = WorkFolder(Path(work).resolve())
    folder.record()
    found = folder.read_ranking() or {}
    ranking = found.get('ranking', [])
    entry = next((entry for entry in ranking if entry['rank'] == rank), None)
    if entry is None or entry['weights'] is None:
        ready = [entry['rank'] for entry in ranking if entry['weights']]
        raise ResultError(f'rank: expected a retrained winner, got rank {rank}; retrained so far: {ready or "none"}; '
                          'name one of them, or start the experiment again, which retrains the others')
    return Winner(folder=folder, ranking=found, entry=entry)
