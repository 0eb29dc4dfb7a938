"""Where NNI's path-sampling supermodules fail or compute something else than the frozen network, and what is done about it."""

from __future__ import annotations

from typing import Any, Callable

import torch
from torch import nn
from nni.nas.oneshot.pytorch.strategy import RandomOneShot
from nni.nas.oneshot.pytorch.supermodule.operation import MixedBatchNorm2d, MixedConv2d
from nni.nas.oneshot.pytorch.supermodule.sampling import PathSamplingRepeat

from ..errors import SpaceError

__all__ = ['PathOneShot', 'check_supermodules']


class _Repeat(PathSamplingRepeat):
    """NNI's runs at least one block, and fails for a depth of 0."""

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        for block in list(self.blocks)[:self._sampled]:
            x = block(x)
        return x


class _BatchNorm2d(MixedBatchNorm2d):
    """NNI's cannot do without weights."""

    def freeze_weight(self, num_features: int, **kwargs: Any) -> dict[str, torch.Tensor | None]:
        tensors = {name: getattr(self, name) for name in ('weight', 'bias', 'running_mean', 'running_var')}
        return {name: None if tensor is None else tensor[:num_features] for name, tensor in tensors.items()}


class PathOneShot(RandomOneShot):
    """NNI's strategy of one path at a time, with supermodules that are ours before those that are its own."""

    def default_mutation_hooks(self) -> list[Callable]:
        return [_Repeat.mutate, _BatchNorm2d.mutate, *super().default_mutation_hooks()]


def check_supermodules(part: nn.Module) -> None:
    """Refuse choices for which NNI's supermodules do not compute what the frozen network computes.

    Raises
    ------
    SpaceError
        If there is one.
    """
    for module in part.modules():
        if isinstance(module, MixedConv2d):
            _check_convolution(module)
        elif isinstance(module, MixedBatchNorm2d) and module.mutable_arguments and module.init_arguments['momentum'] is None:
            raise SpaceError('MutableBatchNorm2d: its width is a choice, and with momentum=None NNI cannot share its '
                             'statistics; give it a momentum')


def _check_convolution(module: MixedConv2d) -> None:
    kernel = module.mutable_arguments.get('kernel_size')
    sizes = [size if isinstance(size, tuple) else (size, size) for size in kernel.grid()] if kernel is not None else []
    if any(size[0] > module.kernel_size[0] or size[1] > module.kernel_size[1] for size in sizes):
        raise SpaceError(f'MutableConv2d: NNI cannot cut the kernel sizes {", ".join(map(str, sizes))} out of one kernel; choose '
                         'among whole numbers, or among convolutions by a LayerChoice')
    if module.padding_mode != 'zeros' and 'padding' in module.mutable_arguments:
        raise SpaceError(f'MutableConv2d: NNI cannot share a convolution of padding_mode {module.padding_mode!r} whose padding '
                         'is a choice; take zeros, or choose among convolutions by a LayerChoice')
