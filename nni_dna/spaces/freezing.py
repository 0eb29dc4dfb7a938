"""From a model space and an architecture to the plain network."""

from __future__ import annotations

from torch import nn
from nni.nas.nn.pytorch import recursive_freeze

from .chain import Architecture

__all__ = ['freeze']


def freeze(module: nn.Module, sample: Architecture) -> nn.Module:
    """The plain network (or block) that an architecture picks, with fresh weights; the space stays as it is.

    Parameters
    ----------
    module
        A model space or a part of one, not mutated into a supernet.
    sample
        The value chosen for every label that is reached.
    """
    return recursive_freeze(module, sample)[0]
