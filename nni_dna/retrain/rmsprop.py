"""RMSprop as TensorFlow computes it, which the paper's learning rate is for."""

from __future__ import annotations

from typing import Any, Callable, Iterable

import torch

__all__ = ['RMSpropTF']


class RMSpropTF(torch.optim.Optimizer):
    """RMSprop with epsilon inside the root and an accumulator that begins with ones.

    With gradient g (plus ``weight_decay`` times the weight)::

        square   = alpha * square + (1 - alpha) * g**2              square begins as 1
        velocity = momentum * velocity + lr * g / sqrt(square + eps)
        weight   = weight - velocity

    torch.optim.RMSprop begins with zeros, adds epsilon outside the root and leaves the learning rate out of the velocity, so
    its first steps are far larger.

    Parameters
    ----------
    params
        Parameters or groups of them.
    lr
        Learning rate.
    alpha
        Decay of the squared gradient.
    eps
        Added to it.
    momentum
        Decay of the velocity.
    weight_decay
        L2 penalty.
    """

    def __init__(self, params: Iterable[Any], lr: float, alpha: float = 0.9, eps: float = 1e-3, momentum: float = 0.9,
                 weight_decay: float = 0.0):
        super().__init__(params, {'lr': lr, 'alpha': alpha, 'eps': eps, 'momentum': momentum, 'weight_decay': weight_decay})

    @torch.no_grad()
    def step(self, closure: Callable[[], Any] | None = None) -> Any:
        """One step; returns what ``closure`` gives, which computes the loss and the gradients anew."""
        loss = None
        if closure is not None:
            with torch.enable_grad():
                loss = closure()
        for group in self.param_groups:
            for parameter in group['params']:
                if parameter.grad is None:
                    continue
                state = self.state[parameter]
                if not state:
                    state['square'] = torch.ones_like(parameter)
                    state['velocity'] = torch.zeros_like(parameter)
                gradient = parameter.grad.add(parameter, alpha=group['weight_decay'])
                state['square'].mul_(group['alpha']).addcmul_(gradient, gradient, value=1 - group['alpha'])
                root = state['square'].add(group['eps']).sqrt_()
                state['velocity'].mul_(group['momentum']).addcdiv_(gradient, root, value=group['lr'])
                parameter.sub_(state['velocity'])
        return loss
