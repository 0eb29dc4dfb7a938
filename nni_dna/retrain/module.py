"""Train and test a classifier with labels, on Lightning."""

from __future__ import annotations

import math
from typing import Callable

import pytorch_lightning as pl
import torch
from torch import nn
from torch.utils.data import DataLoader
from torchmetrics.classification import MulticlassAccuracy

from ..errors import TrainingError
from ..lightning import compute_device, interruptible, make_trainer
from .recipes import Recipe

__all__ = ['train_classifier', 'accuracy']


class ClassifierTraining(pl.LightningModule):
    """Cross entropy, AdamW and one cycle of the learning rate.

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
    """

    def __init__(self, network: nn.Module, num_classes: int, recipe: Recipe, report: Callable[[float], None]):
        super().__init__()
        self.network = network
        self.recipe = recipe
        self.report = report
        self.loss = nn.CrossEntropyLoss(label_smoothing=recipe.label_smoothing)
        self.accuracy = MulticlassAccuracy(num_classes, average='micro')
        self.register_buffer('_sum', torch.zeros(()), persistent=False)

    def training_step(self, batch: tuple[torch.Tensor, torch.Tensor], batch_idx: int) -> torch.Tensor:
        images, labels = batch
        logits = self.network(images)
        self.accuracy.update(logits, labels)
        loss = self.loss(logits, labels)
        self._sum += loss.detach()
        return loss

    def on_train_epoch_end(self) -> None:
        if not torch.isfinite(self._sum):
            raise TrainingError(f'the loss became {self._sum.item()}; lower retrain.lr (teacher.lr for the teacher), or '
                                'check the data')
        self._sum.zero_()
        self.report(self.accuracy.compute().item())
        self.accuracy.reset()

    def configure_optimizers(self) -> dict:
        optimizer = torch.optim.AdamW(self.network.parameters(), lr=self.recipe.lr, weight_decay=self.recipe.weight_decay)
        schedule = torch.optim.lr_scheduler.OneCycleLR(
            optimizer, max_lr=self.recipe.lr, total_steps=math.ceil(self.trainer.estimated_stepping_batches))
        return {'optimizer': optimizer, 'lr_scheduler': {'scheduler': schedule, 'interval': 'step'}}


def train_classifier(network: nn.Module, num_classes: int, recipe: Recipe, batches: DataLoader,
                     report: Callable[[float], None]) -> None:
    """Train a network in place.

    Parameters
    ----------
    network
        Maps images to (batch, classes).
    num_classes
        Number of classes.
    recipe
        How to train.
    batches
        Training images and labels.
    report
        Called after each epoch with the training accuracy, from 0 to 1.
    """
    trainer = make_trainer(recipe.epochs)
    with interruptible(trainer):
        trainer.fit(ClassifierTraining(network, num_classes, recipe, report), batches)
    network.cpu()


@torch.no_grad()
def accuracy(network: nn.Module, num_classes: int, batches: DataLoader) -> float:
    """Share of images that a network classifies rightly, from 0 to 1; larger is better."""
    device = compute_device()
    metric = MulticlassAccuracy(num_classes, average='micro').to(device)
    network.to(device).eval()
    for images, labels in batches:
        metric.update(network(images.to(device)), labels.to(device))
    network.cpu()
    return metric.compute().item()
