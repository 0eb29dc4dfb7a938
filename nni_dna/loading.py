"""Load a searched and retrained model."""

from __future__ import annotations

from pathlib import Path

from torch import nn

from .errors import ResultError

__all__ = ['load']


def load(work: str | Path, rank: int = 1) -> nn.Module:
    """A winner as a plain module with its retrained weights, in evaluation mode; needs no data.

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
    from .campaign.work import WorkFolder
    from .imports import add_to_path
    from .spaces.build import build_space
    from .spaces.freezing import plain_network
    from .weights import load_weights

    folder = WorkFolder(Path(work).resolve())
    record = folder.record()
    found = folder.read_ranking() or {}
    ranking = found.get('ranking', [])
    entry = next((entry for entry in ranking if entry['rank'] == rank), None)
    if entry is None or entry['weights'] is None:
        ready = [entry['rank'] for entry in ranking if entry['weights']]
        raise ResultError(f'rank: expected a retrained winner, got rank {rank}; retrained so far: {ready or "none"}')
    folder.read_result(f'retrain/rank{rank}')
    add_to_path(folder.code_folder())
    space = record['settings']['space']
    network = plain_network(build_space(space['name'], space['args'], found['num_classes']), entry['architecture'])
    load_weights(network, folder.root / f'retrain/rank{rank}/model.safetensors', f'rank {rank}')
    return network.eval()
