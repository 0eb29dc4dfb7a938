"""The settings of the block-wise distillation: the section ``distill``."""

from __future__ import annotations

from dataclasses import dataclass

from ..errors import SettingsError
from .rules import COUNT, FLAG, FRACTION, POSITIVE, PRECISION, TASKS, one_of, optional, setting

__all__ = ['DistillSettings', 'ConfigDistillSettings']


@dataclass(frozen=True, kw_only=True)
class DistillSettings:
    """Block-wise distillation (the paper's equation 4); the defaults are the paper's."""

    tasks: str | int = setting(TASKS, default='cell')
    """What one trial distils, from one teacher pass a batch. ``cell``: one supernet (a block, or one of its cells where these
    share no weights); ``block``: those of a block; ``joint``: all of them. A number makes as many trials of about equal length,
    by the time that each supernet takes, measured before the first trial where the experiment is started."""
    lr_first: float = setting(POSITIVE, default=0.002)
    """Learning rate (Adam) of the first block."""
    lr: float = setting(POSITIVE, default=0.005)
    """Learning rate of the other blocks."""
    lr_decay: float = setting(FRACTION, default=0.9)
    """Factor of the learning rates after each epoch."""
    weight_decay: float = setting(FRACTION, default=1e-4)
    """Weight decay."""
    input: str = setting(one_of('teacher', 'progressive', 'cascade'), default='teacher')
    """What feeds a block. ``teacher``: the teacher's feature map before it (the method). ``progressive``: the student's earlier
    blocks, searched and frozen, so the blocks train one after another. ``cascade``: the student's earlier blocks while they train
    too, end to end in one task."""
    sampling: str = setting(one_of('uniform', 'fair'), default='uniform')
    """``uniform``: each step trains ``paths_per_step`` paths drawn at random; ``fair``: as many as a layer has candidates, which
    together use each candidate of each layer once (FairNAS)."""
    paths_per_step: int = setting(COUNT, default=1)
    """Paths of a supernet per step, with uniform sampling. Their gradients are added up."""
    rate_every: int | None = setting(optional(COUNT), default=None)
    """Rate all paths every so many epochs of the training too, not only at its end."""
    channels_last: bool = setting(FLAG, default=False)
    """Train with the channels of feature maps next to each other in memory, which convolutions of some devices and precisions
    like better."""
    compile_teacher: bool = setting(FLAG, default=False)
    """Let torch.compile make the teacher's forward pass faster: minutes before the first step, and a compiler, are the price."""

    def __post_init__(self) -> None:
        needed = {'progressive': 'cell', 'cascade': 'joint'}.get(self.input, self.tasks)
        if self.tasks != needed:
            raise SettingsError(f'distill.tasks: expected {needed} with distill.input: {self.input}, got {self.tasks}; set '
                                f'distill.tasks: {needed}, or another distill.input')
        if self.sampling == 'fair' and self.paths_per_step != 1:
            raise SettingsError('distill.paths_per_step: expected none with distill.sampling: fair, which takes as many paths as '
                                f'layers have candidates, got {self.paths_per_step}; leave it out, or set distill.sampling: '
                                'uniform')


@dataclass(frozen=True, kw_only=True)
class ConfigDistillSettings(DistillSettings):
    """The distillation of a YAML file."""

    epochs: int = setting(COUNT, default=20)
    """Epochs per supernet."""
    precision: str = setting(PRECISION, default='32')
    """Of the distillation: ``32``, ``16-mixed`` (GPUs only) or ``bf16-mixed``. Paths are rated in 32 bits."""

    def __post_init__(self) -> None:
        super().__post_init__()
        if self.rate_every is not None and self.rate_every >= self.epochs:
            raise SettingsError(f'distill.rate_every: expected fewer epochs than distill.epochs: {self.epochs}, after which all '
                                f'paths are rated anyway, got {self.rate_every}; lower it, or leave it out')
