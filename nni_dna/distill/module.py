"""Train the supernets of one or many cells on the teacher's feature maps, with Lightning."""

from __future__ import annotations

import math
from typing import Any, Callable, Mapping, Sequence

import pytorch_lightning as pl
import torch
from torch import nn

from ..data.batches import images_of
from ..errors import TrainingError
from ..settings.distillation import DistillSettings
from ..supernet.supernet import BlockSupernet
from ..teacher.stages import StagedTeacher
from .gradients import GradientSum
from .inputs import BlockInputs, SearchedBlock
from .loss import distillation_loss
from .sampling import SupernetKey, step_sampler

__all__ = ['BlockwiseDistillation']


class BlockwiseDistillation(pl.LightningModule):
    """Block-wise distillation: one teacher pass a batch, and one or several sampled paths per supernet and step.

    The target of block i is the teacher's feature map of stage i. Its input is the teacher's of stage i - 1 (the images for
    block 1), or what ``distill.input`` says. Unless that is ``cascade``, supernets share nothing, so the sum of their losses
    trains each as if it were alone. In a cascade, the losses of all blocks of a chain are added up too, and each goes back
    through all blocks before it.

    Each path (in a cascade, each chain) is gone backward through before the next one runs, so only one has activations in memory;
    one optimizer step follows for all.

    Parameters
    ----------
    teacher
        Gives the feature maps.
    supernets
        The supernets; all of them in a cascade.
    settings
        The ``distill`` section.
    seed
        Of the sampled paths; each supernet has a stream of its own, so the result does not depend on what trains beside it.
    report
        Called after each epoch with the mean loss per supernet; without those that a cascade did not draw in the epoch.
    searched
        Where the input is ``progressive``, the blocks before those of the supernets.
    """

    def __init__(self, teacher: StagedTeacher, supernets: Mapping[SupernetKey, BlockSupernet], settings: DistillSettings,
                 seed: int, report: Callable[[dict[SupernetKey, float]], None],
                 searched: Sequence[SearchedBlock] | None = None):
        super().__init__()
        self.keys = sorted(supernets)
        self.inputs = BlockInputs(teacher, searched, self.keys)
        self.supernets = nn.ModuleList(supernets[key] for key in self.keys)
        self._layout = torch.channels_last if settings.channels_last else torch.contiguous_format
        self.to(memory_format=self._layout)
        self.settings = settings
        self.report = report
        self._by_key = {key: supernets[key] for key in self.keys}
        self._weights = {key: [weight for weight in supernet.parameters() if weight.requires_grad]
                         for key, supernet in self._by_key.items()}
        self._sampler = step_sampler(settings, {key: [steps[1:-1] for steps in supernet.radix]
                                                for key, supernet in self._by_key.items()}, seed)
        self._sums: dict[SupernetKey, torch.Tensor] = {}
        self._counts: dict[SupernetKey, int] = {}
        self._scaler: Any = None

    def on_fit_start(self) -> None:
        self._scaler = getattr(self.trainer.precision_plugin, 'scaler', None)  # where the precision is 16-mixed

    def training_step(self, batch: Any, batch_idx: int) -> torch.Tensor:
        inputs, targets = self.inputs(images_of(batch).contiguous(memory_format=self._layout))
        gradients = GradientSum(self._scaler and self._scaler.scale(torch.ones((), device=self.device)))
        for chain in self._sampler.chains():
            x, losses = inputs[chain[0][0][0]], []
            for key, cell, path in chain:
                x = self._by_key[key](x, cell, path)
                losses.append(distillation_loss(x, targets[key[0]]))
                self._sums[key] = self._sums.get(key, 0.0) + losses[-1].detach()
                self._counts[key] = self._counts.get(key, 0) + 1
            gradients.add(losses, [weight for key, _, _ in chain for weight in self._weights[key]])
        return gradients.total()

    def on_train_epoch_end(self) -> None:
        means = {key: (self._sums[key] / self._counts[key]).item() for key in self.keys if key in self._sums}
        self._sums, self._counts = {}, {}
        for (block, number), mean in means.items():
            if not math.isfinite(mean):
                raise TrainingError(f'the distillation loss of block {block + 1}, supernet {number + 1}, became {mean}; lower '
                                    'distill.lr (or distill.lr_first), or check the data')
        self.report(means)

    def on_fit_end(self) -> None:
        self.to(memory_format=torch.contiguous_format)

    def configure_optimizers(self) -> tuple[list, list]:
        groups = [{'params': supernet.parameters(),
                   'lr': self.settings.lr_first if block == 0 else self.settings.lr}
                  for (block, _), supernet in zip(self.keys, self.supernets)]
        optimizer = torch.optim.Adam(groups, weight_decay=self.settings.weight_decay, fused=self._fused())
        return [optimizer], [torch.optim.lr_scheduler.ExponentialLR(optimizer, self.settings.lr_decay)]

    def _fused(self) -> bool | None:
        """One kernel for all weights; not beside a scaler, with which Lightning could not clip gradients."""
        scaled = getattr(self.trainer.precision_plugin, 'scaler', None) is not None
        return True if self.device.type == 'cuda' and not scaled else None
