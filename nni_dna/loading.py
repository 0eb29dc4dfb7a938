"""Load a searched and retrained model."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

from torch import nn

from .errors import ResultError

if TYPE_CHECKING:
    from .campaign.work import WorkFolder

__all__ = ['find_winner', 'load']


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
    from .imports import add_to_path
    from .spaces.build import build_space
    from .spaces.freezing import plain_network
    from .weights import load_weights

    folder, found, entry = find_winner(work, rank)
    file = folder.root / entry['weights']
    if entry['weights'] not in folder.read_result(str(Path(entry['weights']).parent))['files']:
        raise ResultError(f'rank {rank}: {file} is not what the trial wrote; start the experiment again, which writes '
                          'ranking.json')
    add_to_path(folder.code_folder())
    space = folder.record()['settings']['space']
    network = plain_network(build_space(space['name'], space['args'], found['num_classes']), entry['architecture'])
    load_weights(network, file, f'rank {rank}')
    return network.eval()


def find_winner(work: str | Path, rank: int) -> tuple[WorkFolder, dict[str, Any], dict[str, Any]]:
    """A retrained winner in a work folder.

    Returns
    -------
    tuple
        The folder, what ``ranking.json`` holds, and the winner's entry in it.

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
        raise ResultError(f'rank: expected a retrained winner, got rank {rank}; retrained so far: {ready or "none"}')
    return folder, found, entry
