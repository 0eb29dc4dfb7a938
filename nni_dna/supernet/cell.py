"""The supernet of one cell: all of its paths on shared weights, one path at a time."""

from __future__ import annotations

from typing import Any, Mapping, Sequence

import torch
from torch import nn
from nni.nas.oneshot.pytorch.supermodule.base import BaseSuperNetModule

__all__ = ['CellSupernet']


class CellSupernet(nn.Module):
    """All paths of a cell between the teacher's feature maps.

    Parameters
    ----------
    entry
        Brings the block's input to the width that the first layer expects.
    layers
        The layers, their choices being NNI supermodules.
    options
        For each layer, the choices (label to value) that pick each candidate.
    exit
        Brings the last layer's output to the teacher's width.

    Attributes
    ----------
    steps
        ``entry``, the layers and ``exit``, in the order in which they run. All that depends on the path is in the layers.
    radix
        Number of options of each step; ``entry`` and ``exit`` have one.
    """

    def __init__(self, entry: nn.Module, layers: Sequence[nn.Module],
                 options: Sequence[Sequence[Mapping[str, Any]]], exit: nn.Module):
        super().__init__()
        self.steps = nn.ModuleList([entry, *layers, exit])
        self._options = [[{}], *options, [{}]]
        self.radix = tuple(len(choices) for choices in self._options)

    def run_step(self, step: int, option: int, x: torch.Tensor) -> torch.Tensor:
        """Run one step with one of its candidates.

        Parameters
        ----------
        step
            Index in ``steps``.
        option
            Index of the candidate.
        x
            (batch, channels, height, width).
        """
        chosen = self._options[step][option]
        module = self.steps[step]
        for part in module.modules():
            if isinstance(part, BaseSuperNetModule):
                part.resample(dict(chosen))
        return module(x)

    def forward(self, x: torch.Tensor, path: Sequence[int]) -> torch.Tensor:
        """The student's feature map for one path.

        Parameters
        ----------
        x
            The block's input (batch, channels, height, width).
        path
            One option per layer.
        """
        if len(path) != len(self.steps) - 2:
            raise ValueError(f'expected one option for each of {len(self.steps) - 2} layers, got {len(path)}')
        x = x.clone()  # the input is shared by cells, and a first layer may work in place
        for step, option in enumerate((0, *path, 0)):
            x = self.run_step(step, option, x)
        return x
