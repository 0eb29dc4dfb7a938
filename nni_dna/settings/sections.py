"""The settings of an experiment, section by section: what ``tuner.classArgs`` of NNI's YAML file may hold."""

from __future__ import annotations

import dataclasses
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from ..errors import SettingsError
from .distillation import ConfigDistillSettings, DistillSettings
from .rules import (ANY_SIZE, BELOW_ONE, COUNT, DEVICE, DEVICES, FLAG, FRACTION, LIMIT, MAPPING, NAMES, NATURAL, PATH, POSITIVE,
                    PRECISION, RGB, SEED, SHARE, TEXT, WEIGHTS, one_of, optional, setting)

__all__ = ['DataSettings', 'TeacherSettings', 'ConfigTeacherSettings', 'SpaceSettings', 'RateSettings', 'SearchSettings',
           'LatencySettings', 'RetrainSettings', 'CommonSettings', 'Settings']


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
    holdout_per_class: int | None = setting(optional(COUNT), default=50)
    """Images of each class kept out of the distillation, to rate paths on. The default holds where neither of the next two is
    given; only one of the three can be."""
    holdout_images: int | None = setting(optional(COUNT), default=None)
    """Images kept out in all, at random from all training images."""
    holdout_folder: Path | None = setting(optional(PATH), default=None)
    """Folder of other images to rate on, with a folder per class, named as those of the training images (in the order of the
    labels where these have no names); then no training image is kept out."""
    augment: str = setting(one_of('none', 'crop', 'crop_flip', 'imagenet'), default='crop_flip')
    """Augmentation of training images: crops out of a padded image, and flips; or ``imagenet``: crops of random size
    (torchvision's RandomResizedCrop), flips and colour jitter."""
    color_jitter: float | None = setting(optional(FRACTION), default=None)
    """Largest relative change of brightness, contrast and saturation of training images. Nothing: 0.4 with ``augment: imagenet``,
    as the authors train supernets, else 0."""
    random_erasing: float = setting(FRACTION, default=0.0)
    """Probability with which a rectangle of an image (2% to 33% of its area) is filled with noise, in the distillation and in the
    teacher's training; 0.5 in the authors' code. Never in the retraining."""
    center_crop: float = setting(SHARE, default=1.0)
    """Share of an image's shorter side that is kept where images are not augmented (rating, calibration, test); on ImageNet 0.875
    is the custom."""
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
    """A torchvision classifier such as ``resnet18``, a model of timm as ``timm:NAME`` (which may carry a tag, as timm names
    weights), or the import path of a function that builds an nn.Module."""
    args: dict[str, Any] = setting(MAPPING, default_factory=dict)
    """Arguments of its builder; ``num_classes`` is the task's unless given here."""
    stages: list[str] | None = setting(optional(NAMES), default=None)
    """Module names, one per block of the space: block i learns to give the output of stage i. Nothing finds them by
    resolution."""
    weights: str = setting(TEXT, default='train')
    """``train``: trained on the task in the first phase; ``pretrained``: torchvision's best, or timm's; else a weights file."""
    batch_norm: str = setting(one_of('eval', 'train'), default='eval')
    """While a supernet learns, the teacher's BatchNorm normalises by its running statistics (``eval``) or by those of the batch
    at hand (``train``, as the authors have it). With ``train``, paths are rated by the statistics of ``rate.calibration_images``
    images, as the authors' are. The running statistics themselves never change."""


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
class RateSettings:
    """Rating of every path on held-out images (the paper's equation 5)."""

    calibration_images: int = setting(COUNT, default=256)
    """Training images from which each path's BatchNorm statistics are taken."""
    max_paths: int = setting(COUNT, default=20_000)
    """As many paths of a block are rated. Where there are more, the block is cut further if the teacher has a stage for it, else
    a random sample of them is rated."""
    measure: str = setting(one_of('l1', 'mse', 'mse_var', 'cosine'), default='l1')
    """How far a path is from the teacher's feature map: ``l1`` (over the standard deviation; the paper's), ``mse``, ``mse_var``
    (over the variance) or ``cosine``. ``mse`` depends on the feature maps' scale, so its sum over blocks favours some of them."""


@dataclass(frozen=True, kw_only=True)
class SearchSettings:
    """Exact search over all combinations."""

    top_k: int = setting(COUNT, default=5)
    """How many of the best architectures to retrain."""
    max_params: float | None = setting(optional(LIMIT), default=None)
    """Most parameters of the whole network."""
    max_madds: float | None = setting(optional(LIMIT), default=None)
    """Most multiply-adds of the whole network for one image."""
    max_memory: float | None = setting(optional(LIMIT), default=None)
    """Most bytes of activations alive at once, in the whole network for one float32 image, one operation after another."""
    max_latency_ms: float | None = setting(optional(POSITIVE), default=None)
    """Most milliseconds of a forward pass of the whole network, as the sum of its layers'; see the section ``latency``."""
    weights: list[float] | dict[str, float] | None = setting(optional(WEIGHTS), default=None)
    """How much the rating of each block counts in the sum (the paper's lambda): a number for every block, or by its name
    (``block1``, ...) for some. Nothing, and a block that is not named, is 1."""

    @property
    def limits(self) -> dict[str, float | None]:
        """All limits by their settings' names, which are ``max_`` and the cost's; None for one that is not set."""
        return {field.name: getattr(self, field.name) for field in dataclasses.fields(self) if field.name.startswith('max_')}


@dataclass(frozen=True, kw_only=True)
class LatencySettings:
    """On what layers are measured where ``search.max_latency_ms`` is given: before the first trial, where the experiment is
    started."""

    device: str = setting(DEVICE, default='cpu')
    """``cpu``, ``cuda`` or ``cuda:N``."""
    batch_size: int = setting(COUNT, default=1)
    """Images of a forward pass."""
    threads: int = setting(COUNT, default=1)
    """CPU threads."""
    file: Path | None = setting(optional(PATH), default=None)
    """What ``nni-dna latency CONFIG FILE`` measured on another machine. Nothing is measured then."""


@dataclass(frozen=True, kw_only=True)
class RetrainSettings:
    """Training of the winners from scratch, with labels, without the teacher. What is left out is as the recipe says."""

    recipe: str = setting(TEXT, default='quick')
    """``quick``, ``imagenet`` (the paper's), ``imagenet_modern``, ``cifar`` or ``transfer``; the other fields override its
    values."""
    epochs: int | None = setting(optional(COUNT), default=None)
    """Epochs."""
    lr: float | None = setting(optional(POSITIVE), default=None)
    """Peak learning rate, for batches of ``lr_batch`` images."""
    lr_batch: int | None = setting(optional(COUNT), default=None)
    """The learning rate is scaled by the images of a step (batch_size x accumulate x devices) over this number."""
    optimizer: str | None = setting(optional(one_of('adamw', 'sgd', 'rmsprop_tf')), default=None)
    """Optimizer; ``rmsprop_tf`` is RMSprop as TensorFlow computes it."""
    momentum: float | None = setting(optional(BELOW_ONE), default=None)
    """Of ``sgd`` and ``rmsprop_tf``."""
    schedule: str | None = setting(optional(one_of('one_cycle', 'cosine', 'steps')), default=None)
    """How the learning rate goes: ``one_cycle`` has a warm-up of its own, ``steps`` multiplies it by ``decay``."""
    warmup_epochs: float | None = setting(optional(ANY_SIZE), default=None)
    """Epochs over which the learning rate rises linearly, before ``cosine`` or ``steps``."""
    decay: float | None = setting(optional(FRACTION), default=None)
    """Factor of the learning rate every ``decay_epochs``, for ``steps``."""
    decay_epochs: float | None = setting(optional(POSITIVE), default=None)
    """Epochs between two steps, counted from the first epoch, for ``steps``."""
    weight_decay: float | None = setting(optional(FRACTION), default=None)
    """Weight decay."""
    decay_norms: bool | None = setting(optional(FLAG), default=None)
    """Whether BatchNorm's weights and all biases are decayed too."""
    label_smoothing: float | None = setting(optional(FRACTION), default=None)
    """Label smoothing."""
    clip: float | None = setting(optional(ANY_SIZE), default=None)
    """Largest norm of the gradient; 0 does not clip."""
    ema: float | None = setting(optional(BELOW_ONE), default=None)
    """Decay per step of the moving average of the weights, which is what is tested and kept; 0 takes no average."""
    dropout: float | None = setting(optional(BELOW_ONE), default=None)
    """Probability of the network's Dropout modules."""
    drop_connect: float | None = setting(optional(BELOW_ONE), default=None)
    """Probability that a sample skips a residual block: grows linearly over the blocks, from 0 towards this."""
    augment: str | None = setting(optional(one_of('none', 'crop', 'crop_flip', 'imagenet')), default=None)
    """In place of ``data.augment`` and its colour jitter."""
    auto_augment: str | None = setting(optional(one_of('none', 'rand', 'trivial')), default=None)
    """After it: RandAugment or TrivialAugment."""
    color_jitter: float | None = setting(optional(FRACTION), default=None)
    """After it: strength of random changes of brightness, contrast and saturation."""
    random_erasing: float | None = setting(optional(FRACTION), default=None)
    """Probability that a random rectangle of an image is erased."""
    mixup: float | None = setting(optional(ANY_SIZE), default=None)
    """Alpha of MixUp; 0 does without. With ``cutmix`` too, each batch takes one of them."""
    cutmix: float | None = setting(optional(ANY_SIZE), default=None)
    """Alpha of CutMix; 0 does without."""
    precision: str | None = setting(optional(PRECISION), default=None)
    """``32``, ``16-mixed`` (GPUs only) or ``bf16-mixed``."""
    accumulate: int | None = setting(optional(COUNT), default=None)
    """Batches whose gradients make one step."""
    devices: int | str | None = setting(optional(DEVICES), default=None)
    """GPUs of the trial that train together (processes, where there is no GPU); ``auto`` takes all that it sees."""
    over_training: bool = setting(FLAG, default=False)
    """Also train the best architecture by each of the tables that ``distill.rate_every`` gives, in ``over_training.json``."""


@dataclass(frozen=True, kw_only=True)
class CommonSettings:
    """What both faces set alike."""

    work: Path = setting(PATH)
    """Work folder: journal, ratings, weights, ranking. On shared storage where trials run on other machines."""
    teacher: TeacherSettings
    distill: DistillSettings = DistillSettings()
    rate: RateSettings = RateSettings()
    search: SearchSettings = SearchSettings()
    latency: LatencySettings = LatencySettings()
    seed: int = setting(SEED, default=0)
    """Of everything random."""
    retries: int = setting(NATURAL, default=2)
    """How often a failed trial is run again before the experiment stops."""
    stall_minutes: float | None = setting(optional(POSITIVE), default=None)
    """A trial that makes no step for so long is cancelled and counts as failed; before its first step it has ten times as long. A
    step is a batch, or a path that is rated. Nothing waits for ever."""
    threads: int | None = setting(optional(COUNT), default=None)
    """CPU threads of a trial; nothing leaves PyTorch's choice. Trials that run at the same time should share the cores."""

    @property
    def blocks(self) -> list[str] | None:
        """Names of the last module of each block, where the user names them."""
        raise NotImplementedError


@dataclass(frozen=True, kw_only=True)
class Settings(CommonSettings):
    """All settings of an experiment that a YAML file describes."""

    preset: str | None = setting(optional(TEXT), default=None)
    """``imagenet`` fills in the paper's set-up (see `nni_dna.settings.presets`): what is given here counts more."""
    data: DataSettings
    teacher: ConfigTeacherSettings
    space: SpaceSettings
    distill: ConfigDistillSettings = ConfigDistillSettings()
    retrain: RetrainSettings = RetrainSettings()

    def __post_init__(self) -> None:
        if self.retrain.over_training and self.distill.rate_every is None:
            raise SettingsError('retrain.over_training: expected false without distill.rate_every, whose tables it takes, got '
                                'true; set distill.rate_every')

    @property
    def blocks(self) -> list[str] | None:
        return self.space.blocks
