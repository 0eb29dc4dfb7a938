"""The state of a training in a file, read without running what is in it; and the random numbers that belong to it."""

from __future__ import annotations

import io
import logging
import random
from pathlib import Path
from typing import Any

import numpy as np
import torch
from pytorch_lightning.plugins.io import TorchCheckpointIO

from ..files import write_atomically

__all__ = ['PlainCheckpoints', 'resumable', 'random_states', 'set_random_states', 'spread_seeds']

_logger = logging.getLogger(__name__)


class PlainCheckpoints(TorchCheckpointIO):
    """Lightning's checkpoints, written whole or not at all, and read by ``torch.load(weights_only=True)`` alone.

    Lightning itself unpickles whatever is in them (2.0 to 2.5), or asks the caller (2.6).
    """

    def save_checkpoint(self, checkpoint: dict[str, Any], path: Any, storage_options: Any = None) -> None:
        buffer = io.BytesIO()
        torch.save(checkpoint, buffer)
        write_atomically(Path(path), buffer.getvalue())

    def load_checkpoint(self, path: Any, map_location: Any = 'cpu', weights_only: bool | None = True) -> dict[str, Any]:
        return torch.load(path, map_location='cpu', weights_only=True)


def resumable(path: Path, processes: int) -> bool:
    """Whether a training of so many processes can go on from a file; warns where there is one that cannot be used."""
    if not path.is_file():
        return False
    try:
        written = len(PlainCheckpoints().load_checkpoint(path)['random'])
    except Exception as error:  # pickle, zip and key errors have no common root
        _logger.warning('%s cannot be read as the state of a training (%s); the training starts anew', path, type(error).__name__)
        return False
    if written != processes:
        _logger.warning('%s was written by %d processes, this training has %d (retrain.devices); it starts anew', path, written,
                        processes)
    return written == processes


def random_states(order: torch.Generator | None, device: torch.device) -> list[dict[str, Any]]:
    """The random numbers to come, of each process: plain values and tensors.

    Parameters
    ----------
    order
        The generator that shuffles the batches.
    device
        Where the process trains.
    """
    version, numbers, gauss = random.getstate()
    kind, keys, position, has_gauss, cached = np.random.get_state()
    state = {'python': [version, list(numbers), gauss], 'numpy': [kind, np.asarray(keys).tolist(), position, has_gauss, cached],
             'torch': torch.get_rng_state(), 'cuda': torch.cuda.get_rng_state(device) if device.type == 'cuda' else None,
             'order': None if order is None else order.get_state()}
    if not (torch.distributed.is_available() and torch.distributed.is_initialized()):
        return [state]
    states: list[Any] = [None] * torch.distributed.get_world_size()
    torch.distributed.all_gather_object(states, state)
    return states


def set_random_states(state: dict[str, Any], device: torch.device) -> None:
    """Take up a process's part of what `random_states` gave, but for the order of the batches."""
    version, numbers, gauss = state['python']
    random.setstate((version, tuple(numbers), gauss))
    np.random.set_state(tuple(state['numpy']))
    torch.set_rng_state(state['torch'])
    if state['cuda'] is not None:
        torch.cuda.set_rng_state(state['cuda'], device)


def spread_seeds(rank: int) -> None:
    """Give a process that trains with others random numbers of its own: Lightning seeds all alike."""
    seed = (torch.initial_seed() + rank) % 2**32
    random.seed(seed)
    np.random.seed(seed)
    torch.manual_seed(seed)
