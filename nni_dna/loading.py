"""Load a searched and retrained model."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, Mapping

from torch import nn

from .errors import ResultError

if TYPE_CHECKING:
    from .campaign.work import WorkFolder

__all__ = ['Winner', 'find_winner', 'load']


def load(work: str | Path, rank: int = 1) -> nn.Module:
    """A winner as a plain module with its retrained weights, in evaluation mode; needs no data.

    Its class is the model space's, which is a subclass of NNI's ModelSpace; all modules in it are PyTorch's or the space's own.
    :func:`nni_dna.export` writes it to a file that needs neither.

    Parameters
    ----------
    work
        The work folder of a finished experiment; or the folder that ``transfer`` wrote, for the network that is in it.
    rank
        1 is the best.

    Returns
    -------
    nn.Module
        Maps images (batch, channels, height, width), normalised as in training, to (batch, classes).

    Raises
    ------
    ResultError
        If there is no such winner yet.
    """
    if (Path(work) / 'transfer.json').is_file():
        from .retrain.transfer import load_transferred
        return load_transferred(Path(work).resolve())
    return find_winner(work, rank).network()


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
        from .spaces.build import build_space
        from .spaces.freezing import plain_network
        from .trust import import_from
        from .weights import load_weights

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
    from .campaign.work import WorkFolder

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
