"""Read and write weights without pickle: safetensors, or ``torch.load(weights_only=True)`` for .pt and .pth files."""

from __future__ import annotations

import os
from contextlib import contextmanager
from pathlib import Path
from typing import Iterator

import torch
from torch import nn

from .errors import WeightsError
from .files import write_atomically

__all__ = ['load_weights', 'plain_loads', 'save_weights']

_FORCED = 'TORCH_FORCE_WEIGHTS_ONLY_LOAD'
"""PyTorch's own switch, which counts more than what a caller of ``torch.load`` says."""


@contextmanager
def plain_loads() -> Iterator[None]:
    """While in here, whatever library calls ``torch.load`` reads weights only: torchvision unpickles what is in its cache."""
    before = os.environ.get(_FORCED)
    os.environ[_FORCED] = '1'
    try:
        yield
    finally:
        if before is None:
            del os.environ[_FORCED]
        else:
            os.environ[_FORCED] = before


def save_weights(module: nn.Module, path: Path) -> None:
    """Write a module's weights as safetensors; the file appears whole or not at all."""
    from safetensors.torch import save
    state = {name: tensor.detach().cpu().clone().contiguous() for name, tensor in module.state_dict().items()}
    write_atomically(path, save(state))


def load_weights(module: nn.Module, path: Path, option: str) -> None:
    """Read weights into a module.

    Parameters
    ----------
    module
        Must have the same names and shapes.
    path
        A .safetensors file, or what ``torch.save(module.state_dict())`` wrote.
    option
        The option that named the file, for the error message.

    Raises
    ------
    WeightsError
        If the file is missing, damaged, holds anything but tensors, or belongs to another network.
    """
    state = _read(path, option)
    own = module.state_dict()
    missing = [name for name in own if name not in state]
    unknown = [name for name in state if name not in own]
    shapes = [f'{name} {tuple(state[name].shape)} instead of {tuple(own[name].shape)}'
              for name in own if name in state and state[name].shape != own[name].shape]
    if missing or unknown or shapes:
        problems = [f'{len(names)} {what} (first: {names[0]})' for what, names in
                    (('weights missing', missing), ('unknown weights', unknown), ('of another shape', shapes)) if names]
        raise WeightsError(f'{option}: {path} belongs to another network: {"; ".join(problems)}; '
                           'give the weights of this network, or change the network (num_classes, for example)')
    module.load_state_dict(state)


def _read(path: Path, option: str) -> dict[str, torch.Tensor]:
    if not path.is_file():
        raise WeightsError(f'{option}: expected a weights file, got {path}, which is missing; name one that is there')
    try:
        if path.suffix == '.safetensors':
            from safetensors.torch import load_file
            return load_file(path)
        state = torch.load(path, map_location='cpu', weights_only=True)
    except Exception as error:  # safetensors, pickle and zip errors have no common root
        raise WeightsError(f'{option}: {path} cannot be read as weights only ({type(error).__name__}): it is damaged, or a '
                           'pickle that holds more than tensors, which is never executed; save '
                           'model.state_dict() with safetensors or torch.save') from error
    if not isinstance(state, dict) or not all(isinstance(value, torch.Tensor) for value in state.values()):
        raise WeightsError(f'{option}: expected {path} to hold a state_dict (name to tensor), got {type(state).__name__}; '
                           'save model.state_dict()')
    return state
