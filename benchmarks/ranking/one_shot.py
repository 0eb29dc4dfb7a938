"""The baseline: NNI's RandomOneShot supernet, trained end to end with labels, and the accuracy of its paths.

Each path runs on the shared weights. Its BatchNorm statistics are taken anew from training images, as DNA's ratings take them,
and then it is measured on the held-out images.
"""

from __future__ import annotations

from typing import Any, Callable, Mapping, Sequence

import torch
from nni.nas.nn.pytorch import ModelSpace
from nni.nas.oneshot.pytorch.supermodule.base import BaseSuperNetModule
from nni.nas.strategy import RandomOneShot
from torch import nn

from images import CifarImages
from nni_dna.lightning import seed_all
from nni_dna.phases.rating import calibration_images
from nni_dna.rating.statistics import norms_of, take
from nni_dna.retrain import quick, train_classifier

__all__ = ['measure']


class _Supernet(nn.Module):
    """Takes another path, uniformly at random, in each training step."""

    def __init__(self, space: ModelSpace):
        super().__init__()
        self.space = RandomOneShot().mutate_model(space)
        self._parts = [part for part in self.space.modules() if isinstance(part, BaseSuperNetModule)]

    def choose(self, given: Mapping[str, Any]) -> None:
        """Take a path: what is given, and the rest at random."""
        chosen = dict(given)
        for part in self._parts:
            chosen.update(part.resample(memo=chosen))

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        if self.training:
            self.choose({})
        return self.space(x)


def measure(build: Callable[[], ModelSpace], images: CifarImages, architectures: Sequence[Mapping[str, Any]], *,
            epochs: int, seed: int, calibration: int) -> list[tuple[float, float]]:
    """Train NNI's supernet of a space by the recipe of training alone, and measure paths of it.

    Parameters
    ----------
    build
        Gives the space with fresh weights.
    images
        To train, to calibrate and to measure with.
    architectures
        The paths.
    epochs
        How often to go over the training images.
    seed
        Of the weights, of the paths and of the order of the images.
    calibration
        From so many training images each path's BatchNorm statistics are taken.

    Returns
    -------
    list of tuple
        Per path the accuracy and the cross entropy on the held-out images.
    """
    seed_all(seed)
    images.seed = seed
    supernet = _Supernet(build())
    train_classifier(supernet, images.task.num_classes, quick(epochs=epochs), images.distillation(),
                     lambda value: print(f'one-shot supernet, accuracy on training images: {value:.4f}', flush=True))
    statistics = calibration_images(images, calibration)
    return [_measure_path(supernet.eval(), architecture, images, statistics) for architecture in architectures]


@torch.no_grad()
def _measure_path(supernet: _Supernet, architecture: Mapping[str, Any], images: CifarImages,
                  calibration: torch.Tensor) -> tuple[float, float]:
    """The accuracy and the cross entropy of a path on the held-out images."""
    supernet.choose(architecture)
    take(supernet, norms_of(supernet), [calibration])
    right, loss, count = 0, 0.0, 0
    for batch, labels in images.holdout():
        logits = supernet(batch)
        right += int((logits.argmax(1) == labels).sum())
        loss += nn.functional.cross_entropy(logits, labels, reduction='sum').item()
        count += len(labels)
    return right / count, loss / count
