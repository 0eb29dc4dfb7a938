"""The supernet of some cells of a block: all of their paths on shared weights, one path at a time."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Mapping, Sequence

import torch
from torch import nn
from nni.nas.oneshot.pytorch.supermodule.base import BaseSuperNetModule
from nni.nas.oneshot.pytorch.supermodule.operation import MixedOperation
from nni.nas.oneshot.pytorch.supermodule.sampling import (MixedOpPathSamplingPolicy, PathSamplingInput, PathSamplingLayer,
                                                          PathSamplingRepeat)

__all__ = ['BlockSupernet', 'CellPlan']


def _holder(part: BaseSuperNetModule) -> Any:
    """What keeps the choice of one of NNI's supermodules, in its attribute ``_sampled``; None for one that chooses otherwise."""
    if type(part).resample in (PathSamplingLayer.resample, PathSamplingRepeat.resample, PathSamplingInput.resample):
        return part
    policy = part.sampling_policy if isinstance(part, MixedOperation) else None
    return policy if type(policy) is MixedOpPathSamplingPolicy else None


@dataclass(frozen=True, kw_only=True)
class CellPlan:
    """How a supernet runs one of its cells.

    Attributes
    ----------
    layers
        Names of its layers' modules, in the order in which they run.
    options
        For each layer, the choices (label to value) that pick each candidate, those of the cell included.
    exit
        Which of the supernet's exits follows.
    """

    layers: Sequence[str]
    options: Sequence[Sequence[Mapping[str, Any]]]
    exit: int


class BlockSupernet(nn.Module):
    """Cells of a block between the teacher's feature maps.

    Parameters
    ----------
    entry
        Brings the block's input to the width that the first layer expects.
    layers
        Layers by name, their choices being NNI supermodules.
    exits
        Each brings one width of the last layer's output to the teacher's.
    cells
        How each cell runs.

    Attributes
    ----------
    steps
        Per cell: ``entry``, its layers and its exit, in the order in which they run. All that depends on the path is in the
        layers.
    radix
        Per cell: number of options of each step; entry and exit have one.
    """

    def __init__(self, entry: nn.Module, layers: Mapping[str, nn.Module], exits: Sequence[nn.Module], cells: Sequence[CellPlan]):
        super().__init__()
        self.entry = entry
        self.layers = nn.ModuleList(layers.values())
        self.exits = nn.ModuleList(exits)
        by_name = dict(zip(layers, self.layers))
        self.steps = [[entry, *(by_name[name] for name in cell.layers), self.exits[cell.exit]] for cell in cells]
        self._options = [[[{}], *cell.options, [{}]] for cell in cells]
        self.radix = [tuple(len(choices) for choices in options) for options in self._options]
        self._choices = {module: [part for part in module.modules() if isinstance(part, BaseSuperNetModule)]
                         for module in (entry, *self.layers, *self.exits)}
        # What NNI's modules found out for a choice, which takes long.
        self._chosen: dict[tuple[int, int, int], dict[BaseSuperNetModule, Any]] = {}

    def run_step(self, cell: int, step: int, option: int, x: torch.Tensor) -> torch.Tensor:
        """Run one step of a cell with one of its candidates.

        Parameters
        ----------
        cell
            Index of the cell among those of this supernet.
        step
            Index in ``steps[cell]``.
        option
            Index of the candidate.
        x
            (batch, channels, height, width).
        """
        module = self.steps[cell][step]
        self._choose(module, (cell, step, option))
        return module(x)

    def _choose(self, module: nn.Module, key: tuple[int, int, int]) -> None:
        cell, step, option = key
        known = self._chosen.setdefault(key, {})
        for part in self._choices[module]:
            holder = _holder(part)
            if part in known:
                holder._sampled = known[part]
                continue
            part.resample(dict(self._options[cell][step][option]))
            if holder is not None:  # a module of the user's own keeps its choice where it likes
                known[part] = holder._sampled

    def forward(self, x: torch.Tensor, cell: int, path: Sequence[int]) -> torch.Tensor:
        """The student's feature map for one path.

        Parameters
        ----------
        x
            The block's input (batch, channels, height, width).
        cell
            Index of the cell among those of this supernet.
        path
            One option per layer.
        """
        if len(path) != len(self.steps[cell]) - 2:
            raise ValueError(f'expected one option for each of {len(self.steps[cell]) - 2} layers, got {len(path)}')
        x = x.clone()  # the input is shared by cells, and a first layer may work in place
        for step, option in enumerate((0, *path, 0)):
            x = self.run_step(cell, step, option, x)
        return x
