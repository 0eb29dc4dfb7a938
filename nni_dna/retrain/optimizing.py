"""From a recipe to an optimizer and the learning rate of every step."""

from __future__ import annotations

import math

import torch
from torch import nn
from torch.optim.lr_scheduler import LambdaLR, LRScheduler, OneCycleLR

from .recipes import Recipe
from .rmsprop import RMSpropTF

__all__ = ['make_optimizer', 'make_schedule', 'peak_lr', 'lr_factor']


def peak_lr(recipe: Recipe, images: int) -> float:
    """The peak learning rate for a number of images per step: linear in it where the recipe has a reference batch."""
    return recipe.lr if recipe.lr_batch is None else recipe.lr * images / recipe.lr_batch


def lr_factor(recipe: Recipe, step: int, steps_per_epoch: float) -> float:
    """Learning rate of a step over the peak learning rate, for ``cosine`` and ``steps``.

    Parameters
    ----------
    recipe
        Its schedule, warm-up and decay.
    step
        Counted from 0.
    steps_per_epoch
        Steps of the optimizer in an epoch.

    Returns
    -------
    float
        In the warm-up of w epochs, (step + 1) / (w * steps_per_epoch). After it, at epoch t = step / steps_per_epoch:
        decay ** floor(t / decay_epochs) for ``steps``, as TensorFlow and the authors count; half of
        1 + cos(pi * (t - w) / (epochs - w)) for ``cosine``.
    """
    epoch, warmup = step / steps_per_epoch, recipe.warmup_epochs
    if epoch < warmup:
        return min(1.0, (step + 1) / (warmup * steps_per_epoch))
    if recipe.schedule == 'steps':
        return recipe.decay ** math.floor(epoch / recipe.decay_epochs + 1e-9)  # step / steps_per_epoch may fall short of an epoch
    return 0.5 * (1 + math.cos(math.pi * min(1.0, (epoch - warmup) / (recipe.epochs - warmup))))


def make_optimizer(recipe: Recipe, network: nn.Module, lr: float) -> torch.optim.Optimizer:
    """The recipe's optimizer on a network's parameters.

    Parameters
    ----------
    recipe
        Names it.
    network
        Is trained.
    lr
        Peak learning rate.
    """
    parameters = [parameter for parameter in network.parameters() if parameter.requires_grad]
    groups = [{'params': parameters, 'weight_decay': recipe.weight_decay}]
    if not recipe.decay_norms:
        groups = [{'params': [p for p in parameters if p.ndim > 1], 'weight_decay': recipe.weight_decay},
                  {'params': [p for p in parameters if p.ndim <= 1], 'weight_decay': 0.0}]
    if recipe.optimizer == 'adamw':
        return torch.optim.AdamW(groups, lr=lr)
    if recipe.optimizer == 'sgd':
        return torch.optim.SGD(groups, lr=lr, momentum=recipe.momentum)
    return RMSpropTF(groups, lr=lr, momentum=recipe.momentum)


def make_schedule(recipe: Recipe, optimizer: torch.optim.Optimizer, steps: int) -> LRScheduler:
    """The recipe's schedule over a training of so many steps of the optimizer; it advances after each."""
    if recipe.schedule == 'one_cycle':
        return OneCycleLR(optimizer, max_lr=[group['lr'] for group in optimizer.param_groups], total_steps=steps)
    return LambdaLR(optimizer, lambda step: lr_factor(recipe, step, steps / recipe.epochs))
