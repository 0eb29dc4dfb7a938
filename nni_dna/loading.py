"""Load a searched and retrained model."""

from __future__ import annotations

from pathlib import Path

from torch import nn

__all__ = ['load']


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
    from .campaign.winners import find_winner
    return find_winner(work, rank).network()
