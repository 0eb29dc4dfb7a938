"""The baseline: NNI's RandomOneShot supernet, trained end to end with labels, and the accuracy of its paths.

A path's network is what NNI freezes out of the supernet with the shared weights. Its BatchNorm statistics are taken anew from
training images, as DNA's ratings take them, and then it is measured on the held-out images.
"""

from __future__ import annotations

from typing import Any, Callable, Mapping

import torch
from nni.nas.nn.pytorch import ModelSpace
from nni.nas.oneshot.pytorch.supermodule.base import BaseSuperNetModule
from nni.nas.strategy import RandomOneShot
from torch import nn
from torch.optim.swa_utils import update_bn

from images import CifarImages
from nni_dna.lightning import seed_all
from nni_dna.phases.rating import calibration_images
from nni_dna.retrain import quick, train_classifier

__all__ = ['train_supernet', 'measure_path']


class _Supernet(nn.Module):
    """Takes another path, uniformly at random, in each training step."""

    def __init__(self, space: ModelSpace):
        super().__init__()
        self.space = RandomOneShot().mutate_model(space)
        self._parts = [part for part in self.space.modules() if isinstance(part, BaseSuperNetModule)]

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        if self.training:
            chosen: dict[str, Any] = {}
            for part in self._parts:
                chosen.update(part.resample(memo=chosen))
        return self.space(x)


def train_supernet(space: ModelSpace, images: CifarImages, epochs: int, seed: int, report: Callable[[float], None]) -> ModelSpace:
    """NNI's supernet of a space, trained by the recipe of training alone.

    Parameters
    ----------
    space
        With fresh weights; becomes the supernet.
    images
        The training images.
    epochs
        How often to go over them.
    seed
        Of the paths and of the order of the images.
    report
        Takes the accuracy on training images after each epoch.
    """
    seed_all(seed)
    images.seed = seed
    supernet = _Supernet(space)
    train_classifier(supernet, images.task.num_classes, quick(epochs=epochs), images.distillation(), report)
    return supernet.space


@torch.no_grad()
def measure_path(supernet: ModelSpace, architecture: Mapping[str, Any], images: CifarImages, calibration: torch.Tensor
                 ) -> tuple[float, float]:
    """The accuracy and the cross entropy of a path on the held-out images.

    Parameters
    ----------
    supernet
        Trained.
    architecture
        The path.
    images
        Hold the held-out images.
    calibration
        (images, channels, height, width) From which its BatchNorm statistics are taken.
    """
    network = supernet.freeze(dict(architecture))
    update_bn([calibration], network)
    network.eval()
    right, loss, count = 0, 0.0, 0
    for batch, labels in images.holdout():
        logits = network(batch)
        right += int((logits.argmax(1) == labels).sum())
        loss += nn.functional.cross_entropy(logits, labels, reduction='sum').item()
        count += len(labels)
    return right / count, loss / count


def calibration_batch(images: CifarImages, count: int) -> torch.Tensor:
    """(count, channels, height, width) Training images, as DNA's rating takes them."""
    return calibration_images(images, count)
