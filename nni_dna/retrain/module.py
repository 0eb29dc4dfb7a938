"""Train and test a classifier with labels, on Lightning."""

from __future__ import annotations

import math
from pathlib import Path
from typing import Any, Callable

import pytorch_lightning as pl
import torch
from pytorch_lightning.plugins.environments import LightningEnvironment
from torch import nn
from torch.optim.swa_utils import AveragedModel, get_ema_multi_avg_fn
from torch.utils.data import DataLoader
from torchmetrics import Metric, MetricCollection
from torchmetrics.classification import MulticlassAccuracy

from ..data import ResumableLoader
from ..errors import TrainingError
from ..lightning import compute_device, interruptible, make_trainer
from ..marks import mark
from .augmenting import on_batches
from .checkpoint import PlainCheckpoints, random_states, resumable, set_random_states, spread_seeds
from .dropping import drop_connect, set_dropout
from .optimizing import make_optimizer, make_schedule, peak_lr
from .ranks import leave, process_count, together
from .recipes import Recipe

__all__ = ['train_classifier', 'accuracy', 'accuracies']

TOP = 5
"""Of tasks with more than twice as many classes, the share of images whose label is among so many best is measured too."""


class ClassifierTraining(pl.LightningModule):
    """Cross entropy, and the rest as the recipe says.

    Parameters
    ----------
    network
        Maps images to (batch, classes).
    num_classes
        Number of classes.
    recipe
        How to train.
    report
        Called after each epoch with the accuracy on the (augmented) training images, from 0 to 1.
    batches
        Training images and labels.
    checkpoint
        File that keeps the state after each epoch; None keeps none.
    """

    def __init__(self, network: nn.Module, num_classes: int, recipe: Recipe, report: Callable[[float], None],
                 batches: DataLoader, checkpoint: Path | None = None):
        super().__init__()
        self.network = network
        self.recipe = recipe
        self.report = report
        self.batches = batches
        self.checkpoint = checkpoint
        self.reported: list[float] = []
        self.mix = on_batches(recipe, num_classes)
        self.loss = nn.CrossEntropyLoss(label_smoothing=recipe.label_smoothing)
        self.accuracy = MulticlassAccuracy(num_classes, average='micro')
        self.average: AveragedModel | None = None
        if recipe.ema:
            self.average = AveragedModel(network, multi_avg_fn=get_ema_multi_avg_fn(recipe.ema), use_buffers=True)
            self.average.requires_grad_(False)
        self.register_buffer('_sum', torch.zeros(()), persistent=False)
        self._steps = 0

    def setup(self, stage: str) -> None:
        if self.trainer.world_size > 1:
            spread_seeds(self.global_rank)

    def training_step(self, batch: tuple[torch.Tensor, torch.Tensor], batch_idx: int) -> torch.Tensor:
        images, labels = batch
        if self.mix is None:
            target = labels
        else:
            images, target = self.mix(images, labels)
            labels = target.argmax(1)  # the class that has the largest share
        logits = self.network(images)
        self.accuracy.update(logits, labels)
        loss = self.loss(logits, target)
        self._sum += loss.detach()
        return loss

    def on_train_batch_end(self, outputs: Any, batch: Any, batch_idx: int) -> None:
        if self.average is not None and self.trainer.global_step > self._steps:  # not while gradients are accumulated
            self._steps = self.trainer.global_step
            self.average.update_parameters(self.network)

    def on_train_epoch_end(self) -> None:
        total = self.trainer.strategy.reduce(self._sum, reduce_op='sum')  # all processes must come to the same conclusion
        if not torch.isfinite(total):
            raise TrainingError(f'the loss became {total.item()}; lower retrain.lr (teacher.lr for the teacher), or '
                                'check the data')
        self._sum.zero_()
        self.reported.append(self.accuracy.compute().item())
        self.report(self.reported[-1])
        self.accuracy.reset()
        if self.checkpoint is not None:
            self.trainer.save_checkpoint(self.checkpoint)

    def configure_optimizers(self) -> dict:
        lr = peak_lr(self.recipe, (self.batches.batch_size or 1) * self.recipe.accumulate * self.trainer.world_size)
        optimizer = make_optimizer(self.recipe, self.network, lr)
        schedule = make_schedule(self.recipe, optimizer, math.ceil(self.trainer.estimated_stepping_batches))
        return {'optimizer': optimizer, 'lr_scheduler': {'scheduler': schedule, 'interval': 'step'}}

    def on_save_checkpoint(self, checkpoint: dict[str, Any]) -> None:
        checkpoint['reported'] = self.reported
        checkpoint['random'] = random_states(self.batches.generator, self.device)

    def on_load_checkpoint(self, checkpoint: dict[str, Any]) -> None:
        self._steps = checkpoint['global_step']
        for value in checkpoint['reported']:  # to a new trial, whose curve is to be whole
            self.reported.append(value)
            self.report(value)
        state = checkpoint['random'][self.global_rank]
        set_random_states(state, self.device)
        if isinstance(self.batches, ResumableLoader):
            self.batches.resume_at = state['order']

    def on_train_batch_start(self, batch: Any, batch_idx: int) -> None:
        if isinstance(self.batches, ResumableLoader):
            self.batches.resume_at = None


def train_classifier(network: nn.Module, num_classes: int, recipe: Recipe, batches: DataLoader,
                     report: Callable[[float], None], checkpoint: Path | None = None) -> None:
    """Train a network in place; where the recipe takes a moving average of the weights, it ends with these.

    Parameters
    ----------
    network
        Maps images to (batch, classes).
    num_classes
        Number of classes.
    recipe
        How to train.
    batches
        Training images and labels. A ResumableLoader without workers that persist, if the training is to be resumed.
    report
        Called after each epoch with the training accuracy, from 0 to 1.
    checkpoint
        File that keeps the state after each epoch. If it is there, the training goes on from it, with the result of an
        undisturbed one; it must be of the same network, recipe and data.
    """
    processes = process_count(recipe.devices)
    if recipe.dropout is not None:
        set_dropout(network, recipe.dropout)
    module = ClassifierTraining(network, num_classes, recipe, report, batches, checkpoint)
    trainer = make_trainer(recipe.epochs, precision=recipe.precision, accumulate_grad_batches=recipe.accumulate,
                           gradient_clip_val=recipe.clip or None, **together(processes),
                           plugins=[PlainCheckpoints(), LightningEnvironment()])
    resumed = checkpoint is not None and resumable(checkpoint, processes)
    network.train()  # from Lightning 2.2 on, fit leaves the mode as it is
    with interruptible(trainer), drop_connect(network, recipe.drop_connect):
        trainer.fit(module, batches, ckpt_path=str(checkpoint) if resumed else None)
    leave()
    if module.average is not None:
        network.load_state_dict(module.average.module.state_dict())
    network.cpu()


@torch.no_grad()
def _measure(metric: Metric | MetricCollection, network: nn.Module, batches: DataLoader) -> Any:
    device = compute_device()
    metric.to(device)
    network.to(device).eval()
    for images, labels in batches:
        metric.update(network(images.to(device)), labels.to(device))
        mark()
    network.cpu()
    return metric.compute()


def accuracy(network: nn.Module, num_classes: int, batches: DataLoader) -> float:
    """Share of images that a network classifies rightly, from 0 to 1; larger is better."""
    return _measure(MulticlassAccuracy(num_classes, average='micro'), network, batches).item()


def accuracies(network: nn.Module, num_classes: int, batches: DataLoader) -> dict[str, float]:
    """The accuracy as ``top1`` and, where there are more than ten classes, ``top5``: the label is among the five best."""
    metrics: dict[str, Metric | MetricCollection] = {'top1': MulticlassAccuracy(num_classes, average='micro')}
    if num_classes > 2 * TOP:
        metrics[f'top{TOP}'] = MulticlassAccuracy(num_classes, average='micro', top_k=TOP)
    return {name: value.item() for name, value in _measure(MetricCollection(metrics), network, batches).items()}
