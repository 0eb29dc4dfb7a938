"""The settings of an experiment, section by section: what ``tuner.classArgs`` of NNI's YAML file may hold."""

from __future__ import annotations

import dataclasses
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from .rules import (COUNT, FRACTION, LIMIT, MAPPING, NAMES, NATURAL, PATH, POSITIVE, RGB, SEED, TEXT, WEIGHTS, one_of,
                    optional, setting)

__all__ = ['DataSettings', 'TeacherSettings', 'ConfigTeacherSettings', 'SpaceSettings', 'DistillSettings',
           'ConfigDistillSettings', 'RateSettings', 'SearchSettings',
           'RetrainSettings', 'CommonSettings', 'Settings']


@dataclass(frozen=True, kw_only=True)
class DataSettings:
    """Where the images come from and how they are fed."""

    name: str = setting(TEXT)
    """``digits``, ``cifar10``, ``cifar100``, ``imagefolder``, or the import path of ``f(root, **args) -> train, test``."""
    root: Path | None = setting(optional(PATH), default=None)
    """Folder of the data."""
    args: dict[str, Any] = setting(MAPPING, default_factory=dict)
    """Further arguments of the source."""
    image_size: int = setting(COUNT)
    """Height and width that images are brought to, in pixels."""
    batch_size: int = setting(COUNT, default=128)
    """Images per step, in every phase."""
    holdout_per_class: int = setting(COUNT, default=50)
    """Images of each class kept out of the distillation, to rate paths on."""
    augment: str = setting(one_of('none', 'crop', 'crop_flip', 'imagenet'), default='crop_flip')
    """Augmentation of training images."""
    mean: list[float] = setting(RGB, default_factory=lambda: [0.485, 0.456, 0.406])
    """Subtracted from each channel (scaled to 0..1)."""
    std: list[float] = setting(RGB, default_factory=lambda: [0.229, 0.224, 0.225])
    """Divides each channel after that."""
    workers: int = setting(NATURAL, default=0)
    """Loader processes."""


@dataclass(frozen=True, kw_only=True)
class TeacherSettings:
    """The network that supervises the blocks."""

    name: str = setting(TEXT)
    """A torchvision classifier such as ``resnet18``, or the import path of a function that builds an nn.Module."""
    args: dict[str, Any] = setting(MAPPING, default_factory=dict)
    """Arguments of its builder; ``num_classes`` is the task's unless given here."""
    stages: list[str] | None = setting(optional(NAMES), default=None)
    """Module names, one per block of the space: block i learns to give the output of stage i. Nothing finds them by
    resolution."""
    weights: str = setting(TEXT, default='train')
    """``train``: trained on the task in the first phase; ``pretrained``: torchvision's best; else a weights file."""


@dataclass(frozen=True, kw_only=True)
class ConfigTeacherSettings(TeacherSettings):
    """The teacher of a YAML file, which also says how it is trained."""

    epochs: int = setting(COUNT, default=20)
    """Epochs of training where ``weights`` is ``train``."""
    lr: float = setting(POSITIVE, default=1e-3)
    """Peak learning rate of that training (AdamW, one cycle)."""


@dataclass(frozen=True, kw_only=True)
class SpaceSettings:
    """The model space; NNI's search space restricts it."""

    name: str = setting(TEXT)
    """``dna``, ``digits``, ``proxylessnas``, ``mobilenetv3``, ``shufflenet``, or the import path of an NNI ModelSpace."""
    args: dict[str, Any] = setting(MAPPING, default_factory=dict)
    """Arguments of its constructor."""
    blocks: list[str] | None = setting(optional(NAMES), default=None)
    """Names of the last module of each block. Nothing leaves it to the space, or to the resolutions."""


@dataclass(frozen=True, kw_only=True)
class DistillSettings:
    """Block-wise distillation (the paper's equation 4); the defaults are the paper's."""

    tasks: str = setting(one_of('cell', 'joint'), default='cell')
    """``cell``: one trial per supernet (a block, or one of its cells where these share no weights); ``joint``: all of them in
    one trial, from one teacher pass a batch."""
    lr_first: float = setting(POSITIVE, default=0.002)
    """Learning rate (Adam) of the first block."""
    lr: float = setting(POSITIVE, default=0.005)
    """Learning rate of the other blocks."""
    lr_decay: float = setting(FRACTION, default=0.9)
    """Factor of the learning rates after each epoch."""
    weight_decay: float = setting(FRACTION, default=1e-4)
    """Weight decay."""


@dataclass(frozen=True, kw_only=True)
class ConfigDistillSettings(DistillSettings):
    """The distillation of a YAML file."""

    epochs: int = setting(COUNT, default=20)
    """Epochs per supernet."""


@dataclass(frozen=True, kw_only=True)
class RateSettings:
    """Rating of every path on held-out images (the paper's equation 5)."""

    calibration_images: int = setting(COUNT, default=256)
    """Training images from which each path's BatchNorm statistics are taken."""
    max_paths: int = setting(COUNT, default=20_000)
    """As many paths of a block are rated. Where there are more, the block is cut further if the teacher has a stage for it, else
    a random sample of them is rated."""


@dataclass(frozen=True, kw_only=True)
class SearchSettings:
    """Exact search over all combinations."""

    top_k: int = setting(COUNT, default=5)
    """How many of the best architectures to retrain."""
    max_params: float | None = setting(optional(LIMIT), default=None)
    """Most parameters of the whole network."""
    max_madds: float | None = setting(optional(LIMIT), default=None)
    """Most multiply-adds of the whole network for one image."""
    weights: list[float] | dict[str, float] | None = setting(optional(WEIGHTS), default=None)
    """How much the rating of each block counts in the sum (the paper's lambda): a number for every block, or by its name
    (``block1``, ...) for some. Nothing, and a block that is not named, is 1."""

    @property
    def limits(self) -> dict[str, float | None]:
        """All limits by their settings' names, which are ``max_`` and the cost's; None for one that is not set."""
        return {field.name: getattr(self, field.name) for field in dataclasses.fields(self) if field.name.startswith('max_')}


@dataclass(frozen=True, kw_only=True)
class RetrainSettings:
    """Training of the winners from scratch, with labels, without the teacher."""

    recipe: str = setting(TEXT, default='quick')
    """Name of a recipe; the other fields override its values."""
    epochs: int | None = setting(optional(COUNT), default=None)
    """Epochs."""
    lr: float | None = setting(optional(POSITIVE), default=None)
    """Peak learning rate."""
    weight_decay: float | None = setting(optional(FRACTION), default=None)
    """Weight decay."""
    label_smoothing: float | None = setting(optional(FRACTION), default=None)
    """Label smoothing."""


@dataclass(frozen=True, kw_only=True)
class CommonSettings:
    """What both faces set alike."""

    work: Path = setting(PATH)
    """Work folder: journal, ratings, weights, ranking. On shared storage where trials run on other machines."""
    teacher: TeacherSettings
    distill: DistillSettings = DistillSettings()
    rate: RateSettings = RateSettings()
    search: SearchSettings = SearchSettings()
    seed: int = setting(SEED, default=0)
    """Of everything random."""
    retries: int = setting(NATURAL, default=2)
    """How often a failed trial is run again before the experiment stops."""
    threads: int | None = setting(optional(COUNT), default=None)
    """CPU threads of a trial; nothing leaves PyTorch's choice. Trials that run at the same time should share the cores."""

    @property
    def blocks(self) -> list[str] | None:
        """Names of the last module of each block, where the user names them."""
        raise NotImplementedError


@dataclass(frozen=True, kw_only=True)
class Settings(CommonSettings):
    """All settings of an experiment that a YAML file describes."""

    data: DataSettings
    teacher: ConfigTeacherSettings
    space: SpaceSettings
    distill: ConfigDistillSettings = ConfigDistillSettings()
    retrain: RetrainSettings = RetrainSettings()

    @property
    def blocks(self) -> list[str] | None:
        return self.space.blocks
