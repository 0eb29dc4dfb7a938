"""A network as a list of stages: the feature maps that supervise the blocks."""

from __future__ import annotations

from contextlib import AbstractContextManager, nullcontext, suppress
from typing import Any, Sequence

import torch
from torch import nn

from ..errors import TeacherError, nearest
from .layout import as_map
from .norms import TeacherNorms

__all__ = ['StagedTeacher']


class _Enough(Exception):
    """All maps that were asked for are there."""


class StagedTeacher(nn.Module):
    """A frozen teacher that returns the feature maps after its stages.

    The teacher runs in evaluation mode and without gradients. Maps whose channels come last, and tokens, are brought to the form
    of a convolution's (see `nni_dna.teacher.layout`).

    Parameters
    ----------
    network
        Any module.
    stages
        Names of its submodules, in the order in which they run.
    batch_norm
        ``eval``: BatchNorm normalises by its running statistics, always. ``train``: by the batch at hand in training mode, and
        by the statistics of `calibrate` in evaluation mode. Neither changes the running statistics.

    Raises
    ------
    TeacherError
        If there is no such submodule, one is named twice, or there is no BatchNorm for ``train``.
    """

    def __init__(self, network: nn.Module, stages: Sequence[str], batch_norm: str = 'eval'):
        super().__init__()
        modules = dict(network.named_modules())
        for stage in stages:
            if stage not in modules or not stage:
                candidates = [name for name, module in network.named_children()] + \
                    [name for name in modules if name.count('.') == 1]
                raise TeacherError(f'teacher.stages: the teacher has no module {stage!r}; {nearest(stage, candidates)}')
        if len(set(stages)) < len(stages):
            raise TeacherError(f'teacher.stages: expected different modules, got {", ".join(stages)}; name each '
                               'once')
        self.network = network.eval().requires_grad_(False)
        self.stages = list(stages)
        self._seen: dict[str, tuple[Any, int]] = {}  # output and its version
        self._norms = TeacherNorms(network) if batch_norm == 'train' else None
        self._learning = False
        if self._norms is not None and not len(self._norms):
            raise TeacherError(f'teacher.batch_norm: {type(network).__name__} has no BatchNorm with running statistics, so train '
                               'means nothing; write eval')

    def _keep(self, stage: str, last: bool) -> Any:
        def hook(module: nn.Module, inputs: tuple, output: Any) -> None:
            self._seen[stage] = output, getattr(output, '_version', 0)
            if last:
                raise _Enough
        return hook

    def compile(self, **options: Any) -> None:
        """Let torch.compile make the forward passes of its parts faster, as large ones as hold no stage inside.

        Parameters
        ----------
        **options
            Of torch.compile.
        """
        self._compile(self.network, '', options)

    def _compile(self, module: nn.Module, name: str, options: dict[str, Any]) -> None:
        inside = [stage for stage in self.stages if stage.startswith(f'{name}.' if name else '')]
        if not inside and not isinstance(module, (nn.ModuleList, nn.ModuleDict)):
            if any(True for _ in module.parameters()):
                # Not Module.compile, which would take in the hooks on stages.
                module.forward = torch.compile(module.forward, **options)
            return
        for child_name, child in module.named_children():
            self._compile(child, f'{name}.{child_name}' if name else child_name, options)

    def train(self, mode: bool = True) -> StagedTeacher:
        """Stay in evaluation mode, whatever the module around says; only ``batch_norm='train'`` takes note of it."""
        self._learning = mode
        return super().train(False)

    @torch.no_grad()
    def calibrate(self, images: torch.Tensor) -> None:
        """Go to evaluation mode, for rating: with ``batch_norm='train'``, normalise by the statistics of these images.

        Parameters
        ----------
        images
            (batch, channels, height, width).
        """
        self.eval()
        if self._norms is not None:
            self._norms.calibrate(lambda: self.network(images))

    def _normalisation(self) -> AbstractContextManager[None]:
        if self._norms is None:
            return nullcontext()
        return self._norms.by_batch() if self._learning else self._norms.by_calibration()

    @torch.no_grad()
    def forward(self, images: torch.Tensor, count: int | None = None) -> list[torch.Tensor]:
        """The feature maps Y_1 .. Y_N of a batch.

        Parameters
        ----------
        images
            (batch, channels, height, width).
        count
            How many of the first stages to run; what comes behind them is left out. Nothing runs the whole network.

        Returns
        -------
        list of torch.Tensor
            Per stage that was asked for (batch, channels, height, width).

        Raises
        ------
        TeacherError
            If a stage did not run or not in its turn, gave no feature map, or one that a later module changed in place.
        """
        self._seen.clear()
        stages = self.stages[:count]
        handles = [self.network.get_submodule(stage).register_forward_hook(
            self._keep(stage, count is not None and stage == stages[-1])) for stage in stages]
        try:
            with self._normalisation(), suppress(_Enough):
                self.network(images)
        finally:
            for handle in handles:
                handle.remove()
        missing = [stage for stage in stages if stage not in self._seen]
        if missing:
            raise TeacherError(f'teacher.stages: module {missing[0]!r} does not run in the teacher\'s forward pass; '
                               'name a module that does')
        if list(self._seen) != stages:
            raise TeacherError('teacher.stages: expected the stages in the order in which they run '
                               f'({", ".join(self._seen)}), got {", ".join(stages)}; name them in this order')
        seen, self._seen = self._seen, {}
        maps = []
        for stage, (value, version) in seen.items():
            found = as_map(value, images.shape[2:])
            if found is None:
                got = tuple(value.shape) if isinstance(value, torch.Tensor) else type(value).__name__
                raise TeacherError(f'teacher.stages: expected module {stage!r} to give a feature map (batch, channels, '
                                   f'height, width), got {got}; name an earlier module')
            if value._version != version:
                raise TeacherError(f'teacher.stages: a later module changes the output of {stage!r} in place; name that '
                                   'module (the activation behind it, for example)')
            maps.append(found)
        return maps
