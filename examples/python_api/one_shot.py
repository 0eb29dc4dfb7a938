"""NNI's one-shot strategies with settings for short searches on small images; `search.py` and ``examples/compare`` use them."""

import contextlib
import io
from importlib.util import find_spec
from typing import Any, Sequence

import pytorch_lightning as pl
from nni.nas import strategy as nas
from nni.nas.evaluator.pytorch import Classification, DataLoader
from nni.nas.nn.pytorch import ModelSpace
from nni.nas.profiler.pytorch.flops import FlopsProfiler
from nni_dna.compat import ENAS, ExpectedCostPenalty
from torch import Tensor


def make_evaluator(train: DataLoader, val: DataLoader, epochs: int, num_classes: int, callbacks: Sequence[pl.Callback] = (),
                   accelerator: str = 'cpu', **trainer: Any) -> Classification:
    """How a network is trained and rated. An evaluator remembers its training, so each use needs a new one.

    Parameters
    ----------
    train, val
        The images to train on, and those to rate on.
    epochs
        How often to go over the training images.
    num_classes
        The number of classes.
    callbacks
        Of Lightning's trainer.
    accelerator
        ``cpu`` or ``gpu``.
    **trainer
        Further options of Lightning's trainer.
    """
    return Classification(
        learning_rate=0.003, num_classes=num_classes, train_dataloaders=train, val_dataloaders=val, max_epochs=epochs,
        callbacks=list(callbacks), accelerator=accelerator, logger=False, enable_checkpointing=False, enable_progress_bar=False,
        enable_model_summary=False, **trainer)


def one_shot_strategy(name: str, limit: tuple[Any, float] | None, scale: float = 1.) -> nas.Strategy:
    """NNI's strategy of this name, with its settings scaled to a search of some hundred steps.

    Parameters
    ----------
    name
        ``darts``, ``enas``, ``gumbel``, ``proxyless`` or ``random``.
    limit
        A profiler and the most that it may find. ``random`` leaves out what exceeds it. NNI's other strategies know no hard
        limit; they take a penalty on what exceeds it.
    scale
        The penalty on twice the limit.
    """
    if name == 'random':
        return nas.RandomOneShot(filter={'profiler': limit[0], 'max': limit[1]} if limit else None)
    penalty = {'profiler': limit[0], 'baseline': limit[1], 'nonlinear': 'positive'} if limit else None
    if name == 'enas':
        need_tianshou('ENAS')
        if penalty:
            penalty['scale'] = -scale   # it is added to a reward, those of the others to a loss
        # Seven, because NNI updates the controller at every training batch too as long as the number of validation batches
        # so far is a multiple of this: after an epoch's ten it must not be one.
        return ENAS(reward_metric_name='val_acc', batches_per_update=7, penalty=penalty)
    strategies = {'darts': nas.DARTS, 'gumbel': nas.GumbelDARTS, 'proxyless': nas.Proxyless}
    # NNI's learning rate for the architecture (0.0003) is meant for thousands of steps.
    strategy = strategies[name](arc_learning_rate=0.03)
    if penalty:
        strategy.penalty = ExpectedCostPenalty(strategy, scale=scale, **penalty)    # NNI's own has no gradient
    return strategy


def need_tianshou(strategy: str) -> None:
    """End with a word on what to install where NNI's reinforcement learning cannot run.

    Parameters
    ----------
    strategy
        What needs it.
    """
    if not (find_spec('tianshou') and find_spec('gym')):
        raise SystemExit(f"{strategy} needs tianshou and gym: pip install 'nni_dna[compare]'")
    with contextlib.redirect_stderr(io.StringIO()):
        import gym  # noqa: F401  (NNI imports it, and it then says, every time, that it is no longer maintained)


def madds_profiler(space: ModelSpace, images: Tensor) -> FlopsProfiler:
    """NNI's profiler, set to count the multiply-adds of convolutions and linear layers, as papers and DNA do.

    Parameters
    ----------
    space
        A space that no strategy has changed.
    images
        A batch of the images' shape, whatever is on them.
    """
    return FlopsProfiler(space, images, count_bias=False, count_normalization=False, count_activation=False)
