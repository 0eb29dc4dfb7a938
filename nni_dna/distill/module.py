"""Train the supernets of one or many cells on the teacher's feature maps, with Lightning."""

from __future__ import annotations

import math
from typing import Any, Callable, Mapping

import numpy as np
import pytorch_lightning as pl
import torch
from torch import nn

from ..data.batches import images_of
from ..errors import TrainingError
from ..settings.sections import DistillSettings
from ..supernet.supernet import BlockSupernet
from ..teacher.stages import StagedTeacher
from .loss import distillation_loss

__all__ = ['BlockwiseDistillation', 'SupernetKey']

SupernetKey = tuple[int, int]
"""(block index, index of the supernet within the block)"""


class BlockwiseDistillation(pl.LightningModule):
    """Block-wise distillation: one teacher pass a batch, one uniformly sampled path per supernet and step.

    The input of block i is the teacher's feature map of stage i - 1 (the images for block 1), its target that of stage i.
    Supernets share nothing, so the sum of their losses trains each as if it were alone. Of a supernet with several cells a cell
    is drawn first.

    Parameters
    ----------
    teacher
        Gives the feature maps.
    supernets
        The supernets.
    settings
        The ``distill`` section.
    seed
        Of the sampled paths; each supernet has a stream of its own, so the result does not depend on what trains beside it.
    report
        Called after each epoch with the mean loss per supernet.
    """

    def __init__(self, teacher: StagedTeacher, supernets: Mapping[SupernetKey, BlockSupernet], settings: DistillSettings,
                 seed: int, report: Callable[[dict[SupernetKey, float]], None]):
        super().__init__()
        self.keys = sorted(supernets)
        self.teacher = teacher
        self.supernets = nn.ModuleList(supernets[key] for key in self.keys)
        self.settings = settings
        self.report = report
        self._samplers = [np.random.default_rng((seed, *key)) for key in self.keys]
        self._sums: torch.Tensor | None = None
        self._steps = 0

    def training_step(self, batch: Any, batch_idx: int) -> torch.Tensor:
        images = images_of(batch)
        maps = [images, *self.teacher(images)]
        losses = []
        for (block, _), supernet, sampler in zip(self.keys, self.supernets, self._samplers):
            assert isinstance(supernet, BlockSupernet)
            cell = int(sampler.integers(len(supernet.radix)))
            path = [int(sampler.integers(base)) for base in supernet.radix[cell][1:-1]]
            losses.append(distillation_loss(supernet(maps[block], cell, path), maps[block + 1]))
        stacked = torch.stack(losses)
        detached = stacked.detach()
        self._sums = detached if self._sums is None else self._sums + detached
        self._steps += 1
        return stacked.sum()

    def on_train_epoch_end(self) -> None:
        assert self._sums is not None
        means = (self._sums / self._steps).tolist()
        self._sums, self._steps = None, 0
        for (block, number), mean in zip(self.keys, means):
            if not math.isfinite(mean):
                raise TrainingError(f'the distillation loss of block {block + 1}, supernet {number + 1}, became {mean}; lower '
                                    'distill.lr (or distill.lr_first), or check the data')
        self.report(dict(zip(self.keys, means)))

    def configure_optimizers(self) -> tuple[list, list]:
        groups = [{'params': supernet.parameters(),
                   'lr': self.settings.lr_first if block == 0 else self.settings.lr}
                  for (block, _), supernet in zip(self.keys, self.supernets)]
        optimizer = torch.optim.Adam(groups, weight_decay=self.settings.weight_decay)
        return [optimizer], [torch.optim.lr_scheduler.ExponentialLR(optimizer, self.settings.lr_decay)]
