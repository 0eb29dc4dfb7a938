"""The BatchNorm statistics of one layer of a path: taken from calibration images, kept, and put to use."""

from __future__ import annotations

from contextlib import contextmanager
from typing import Callable, Iterator, Sequence

import torch
from torch import nn
from torch.nn.modules.batchnorm import _BatchNorm

__all__ = ['Statistics', 'norms_of', 'take', 'use', 'own_statistics']

Statistics = list[tuple[_BatchNorm, torch.Tensor, torch.Tensor]]
"""Running mean and running variance (features,) of each BatchNorm that runs."""
Run = Callable[[torch.Tensor], torch.Tensor]


def norms_of(module: nn.Module) -> list[_BatchNorm]:
    """The modules with running statistics; a BatchNorm without uses those of the batch at hand."""
    return [part for part in module.modules() if isinstance(part, _BatchNorm) and part.track_running_stats]


def use(statistics: Statistics) -> None:
    """Let each BatchNorm normalise by these tensors, which takes no copying."""
    for norm, mean, variance in statistics:
        norm._buffers.update(running_mean=mean, running_var=variance)  # to assign the attributes takes a Module far longer


@contextmanager
def own_statistics(norms: Sequence[_BatchNorm]) -> Iterator[None]:
    """Give BatchNorms their own buffers back in the end, as they were."""
    own = [(norm, norm.running_mean, norm.running_var) for norm in norms]
    try:
        yield
    finally:
        use(own)  # type: ignore[arg-type]


def take(run: Run, norms: Sequence[_BatchNorm], pieces: Sequence[torch.Tensor]) -> tuple[list[torch.Tensor], Statistics]:
    """Run a layer on images, each BatchNorm normalising by the statistics of all of them together.

    Parameters
    ----------
    run
        The layer, in evaluation mode.
    norms
        Its BatchNorms with running statistics; some may not run.
    pieces
        The images; in one piece a single pass does, in several it takes one more than BatchNorms run.

    Returns
    -------
    tuple
        The output for each piece, and the statistics, which the BatchNorms' buffers hold too.
    """
    if len(pieces) == 1:
        output, statistics = _at_once(run, norms, pieces[0])
        return [output], statistics
    return _in_turn(run, norms, pieces)


def _at_once(run: Run, norms: Sequence[_BatchNorm], images: torch.Tensor) -> tuple[torch.Tensor, Statistics]:
    ran: list[nn.Module] = []
    handles = [norm.register_forward_hook(lambda module, *_: ran.append(module)) for norm in norms]
    momenta = [_set_momentum(norm.train(), 1.0) for norm in norms]  # the statistics become those of the images at hand
    try:
        output = run(images)
    finally:
        for norm, momentum, handle in zip(norms, momenta, handles):
            _set_momentum(norm.eval(), momentum)
            handle.remove()
    return output, [(norm, norm.running_mean.clone(), norm.running_var.clone())  # type: ignore[union-attr]
                    for norm in norms if norm in ran]


class _Reached(Exception):
    """A BatchNorm whose statistics are still to be found is about to run."""

    def __init__(self, norm: _BatchNorm, x: torch.Tensor):
        super().__init__()
        self.norm = norm
        self.x = x


def _in_turn(run: Run, norms: Sequence[_BatchNorm], pieces: Sequence[torch.Tensor]) -> tuple[list[torch.Tensor], Statistics]:
    """Find the statistics of one BatchNorm after another, since each one's input depends on those before it."""
    found: dict[_BatchNorm, torch.Tensor] = {}  # the unbiased variances, which are kept; training normalises by the biased ones

    def stop(norm: nn.Module, inputs: tuple) -> None:
        if norm not in found:
            assert isinstance(norm, _BatchNorm)
            raise _Reached(norm, inputs[0])

    handles = [norm.register_forward_pre_hook(stop) for norm in norms]
    try:
        while True:
            norm, moments, outputs = None, _Moments(), []
            for piece in pieces:
                try:
                    outputs.append(run(piece))
                except _Reached as reached:
                    norm = reached.norm
                    moments.add(reached.x)
            if norm is None:
                break
            assert norm.running_mean is not None and norm.running_var is not None
            own = slice(len(moments.mean))  # NNI's MixedBatchNorm2d uses the first features of its buffers
            norm.running_mean[own] = moments.mean
            norm.running_var[own] = moments.squares / moments.count
            found[norm] = moments.squares / (moments.count - 1)
    finally:
        for handle in handles:
            handle.remove()
    statistics: Statistics = []
    for norm, variance in found.items():
        assert norm.running_mean is not None and norm.running_var is not None
        norm.running_var[:len(variance)] = variance
        statistics.append((norm, norm.running_mean.clone(), norm.running_var.clone()))
    return outputs, statistics


class _Moments:
    """Mean and sum of squared deviations (features,) of a BatchNorm's input, pooled over pieces in double precision."""

    def __init__(self) -> None:
        self.count = 0
        self.mean = self.squares = torch.zeros(())

    def add(self, x: torch.Tensor) -> None:
        """Take in a piece (images, features, ...) by the pairwise update of Chan et al."""
        count = x.numel() // x.shape[1]
        variance, mean = torch.var_mean(x, [axis for axis in range(x.ndim) if axis != 1], correction=0)
        total = self.count + count
        delta = mean.double() - self.mean
        self.squares = self.squares + count * variance.double() + delta.square() * (self.count * count / total)
        self.mean = self.mean + delta * (count / total)
        self.count = total


def _set_momentum(norm: _BatchNorm, momentum: float | None) -> float | None:
    """Set a BatchNorm's momentum and return what it was. NNI's MixedBatchNorm2d keeps it among its arguments."""
    arguments = getattr(norm, 'init_arguments', None)
    if arguments is not None:
        before, arguments['momentum'] = arguments['momentum'], momentum
    else:
        before, norm.momentum = norm.momentum, momentum
    return before
