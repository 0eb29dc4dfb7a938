"""Go backward from many losses, each as soon as it is there, and hand the sum to Lightning as one."""

from __future__ import annotations

from typing import Any, Sequence

import torch
from torch.autograd.function import once_differentiable

__all__ = ['GradientSum']


class GradientSum:
    """The sum of several losses, of which only one at a time has its activations in memory.

    Lightning's automatic optimisation, with all that a trainer's options make of it (clipping, accumulation over batches,
    precision), goes backward once a step, from one loss. So the gradients of each loss are taken at once, and `total` is a loss
    that gives them when Lightning goes backward from it.

    Parameters
    ----------
    scale
        Factor of the losses while their gradients are taken, so that half precision does not lose small ones: a scalar on their
        device, which no step has to wait for.
    """

    def __init__(self, scale: torch.Tensor | None = None):
        self._scale = scale
        self._losses: list[torch.Tensor] = []
        self._gradients: dict[torch.nn.Parameter, torch.Tensor] = {}

    def add(self, losses: Sequence[torch.Tensor], parameters: Sequence[torch.nn.Parameter]) -> None:
        """Take the gradients of losses that share activations, which are given up.

        Parameters
        ----------
        losses
            Scalars.
        parameters
            All on which they may depend.
        """
        loss = torch.stack(list(losses)).sum()
        gradients = torch.autograd.grad(loss if self._scale is None else loss * self._scale, parameters, allow_unused=True)
        for parameter, gradient in zip(parameters, gradients):
            if gradient is not None:
                gradient = gradient if self._scale is None else gradient / self._scale
                known = self._gradients.get(parameter)
                self._gradients[parameter] = gradient if known is None else known + gradient
        self._losses += [loss.detach() for loss in losses]

    def total(self) -> torch.Tensor:
        """The sum of all losses, a scalar whose gradients are those that were taken."""
        value = torch.stack(self._losses).sum()
        return _Known.apply(value, list(self._gradients.values()), *self._gradients)


class _Known(torch.autograd.Function):
    """A value whose gradients are known."""

    @staticmethod
    def forward(ctx: Any, value: torch.Tensor, gradients: list[torch.Tensor], *parameters: torch.Tensor) -> torch.Tensor:
        ctx.gradients = gradients
        return value.clone()

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, factor: torch.Tensor) -> tuple:
        if factor.device.type == 'cpu' and factor == 1:  # elsewhere one would have to wait for the answer
            return (None, None, *ctx.gradients)
        return (None, None, *torch._foreach_mul(ctx.gradients, factor))
