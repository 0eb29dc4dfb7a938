"""Dropout and drop-connect of a network, whatever its class."""

from __future__ import annotations

from contextlib import contextmanager
from typing import Any, Iterator

import torch
from nni.nas.hub.pytorch.proxylessnas import DepthwiseSeparableConv, InvertedResidual
from torch import nn
from torchvision.ops import stochastic_depth

from ..errors import SettingsError
from ..spaces.mbconv import MBConv
from .recipes import Recipe

__all__ = ['check_dropping', 'set_dropout', 'drop_connect']


def check_dropping(recipe: Recipe, network: nn.Module) -> None:
    """See that a network (or a model space) has what the recipe drops.

    Raises
    ------
    SettingsError
        If it has no Dropout module or no residual block.
    """
    if recipe.dropout and not _dropouts(network):
        raise SettingsError(f'retrain.dropout: expected a network with a Dropout module, got {type(network).__name__} without; '
                            'set retrain.dropout: 0')
    if recipe.drop_connect and not any(branch is not None for branch in _branches(network)):
        raise SettingsError("retrain.drop_connect: expected a network with residual blocks (nni_dna's MBConv, or those of NNI's "
                            f'ProxylessNAS and MobileNetV3Space), got {type(network).__name__} without; set '
                            'retrain.drop_connect: 0')


def set_dropout(network: nn.Module, probability: float) -> None:
    """Set the probability of all Dropout modules."""
    for module in _dropouts(network):
        module.p = probability


@contextmanager
def drop_connect(network: nn.Module, probability: float) -> Iterator[None]:
    """While training in here, let samples skip residual blocks, as EfficientNet does.

    Of n blocks, residual or not, block i (from 0, in the order of the network) adds its branch with the probability
    1 - ``probability`` * i / n, and the branch is divided by that, so that its expectation stays. In evaluation mode nothing is
    dropped.

    Parameters
    ----------
    network
        With the blocks.
    probability
        What the rate grows towards.
    """
    branches = _branches(network)
    handles = []
    for number, branch in enumerate(branches):
        rate = probability * number / len(branches)
        if branch is not None and rate:
            handles.append(branch.register_forward_hook(_Dropping(rate)))
    try:
        yield
    finally:
        for handle in handles:
            handle.remove()


class _Dropping:
    def __init__(self, rate: float):
        self.rate = rate

    def __call__(self, branch: nn.Module, inputs: Any, output: torch.Tensor) -> torch.Tensor:
        return stochastic_depth(output, self.rate, 'row', training=branch.training)


def _dropouts(network: nn.Module) -> list[nn.Dropout]:
    return [module for module in network.modules() if isinstance(module, nn.Dropout)]


def _branches(network: nn.Module) -> list[nn.Module | None]:
    """Per block the last module of the branch that its input is added to; None where nothing is added."""
    found: list[nn.Module | None] = []
    for module in network.modules():
        if isinstance(module, MBConv):
            found.append(module.project if module.residual else None)
        elif isinstance(module, (InvertedResidual, DepthwiseSeparableConv)):
            found.append(module[-1] if module.has_skip else None)
    return found
