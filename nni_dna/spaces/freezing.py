"""From a model space and an architecture to the plain network."""

from __future__ import annotations

import copy

from torch import nn
from nni.mutable.exception import SampleValidationError
from nni.nas.nn.pytorch import LayerChoice, ModelSpace, MutableModule

from ..errors import SpaceError
from .chain import Architecture
from .files import recalled
from .labels import labels_of

__all__ = ['freeze', 'plain_network']


def plain_network(space: ModelSpace, architecture: Architecture) -> nn.Module:
    """The plain network, with fresh weights, that an architecture picks, be it read from a file or not.

    Raises
    ------
    SpaceError
        If it is another space's.
    """
    try:
        return freeze(space, recalled(architecture, labels_of(space)))
    except SampleValidationError as error:
        raise SpaceError(f'{type(space).__name__}: expected an architecture of this space, got {dict(architecture)!r}: {error}; '
                         'take the model space that was searched') from error


def freeze(module: nn.Module, sample: Architecture) -> nn.Module:
    """The plain network (or block) that an architecture picks, with fresh weights; the space stays as it is.

    NNI's own ``recursive_freeze`` gives the same, but copies every module, candidates and all, before it replaces what is in it.

    Parameters
    ----------
    module
        A model space or a part of one, not mutated into a supernet.
    sample
        The value chosen for every label that is reached.
    """
    if isinstance(module, LayerChoice) and type(module).freeze is LayerChoice.freeze:
        module.validate(sample)
        return freeze(module[sample[module.label]], sample)
    if isinstance(module, MutableModule) and (module.mutables or type(module).freeze is not MutableModule.freeze):
        return module.freeze(sample)
    copies = {id(part): freeze(part, sample) for _, part in MutableModule.named_mutable_descendants(module)}
    return copy.deepcopy(module, copies)
