"""Which modules of a network run one after another, found by watching one forward pass."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

import torch
from torch import nn

__all__ = ['Passage', 'Run', 'run_of', 'trace']


@dataclass(eq=False)
class Passage:
    """One call of a module.

    Attributes
    ----------
    name
        The module's name in the network; empty for the network itself.
    module
        The module.
    given
        Its argument; a list of them where there are several.
    output
        What it returned; None until then.
    inner
        The calls that it made, in order.
    """

    name: str
    module: nn.Module
    given: Any
    given_version: int
    output: Any = None
    output_version: int = 0
    inner: list[Passage] = field(default_factory=list)

    @property
    def is_map(self) -> bool:
        """Whether it gave a feature map (batch, channels, height, width)."""
        return isinstance(self.output, torch.Tensor) and self.output.ndim == 4

    @property
    def shape(self) -> tuple[int, ...]:
        """Shape of the output without the batch."""
        return tuple(self.output.shape[1:])

    @property
    def unchanged(self) -> bool:
        """Whether the output is, at the end of the pass, what it was when the module returned."""
        return _version(self.output) == self.output_version


@dataclass(frozen=True)
class Run:
    """Inner calls of a module that run one after another with nothing in between.

    Attributes
    ----------
    passages
        Those calls, from the first on.
    whole
        Whether they are all that the module does: the first takes its input and the last gives its output.
    """

    passages: tuple[Passage, ...]
    whole: bool


def trace(network: nn.Module, images: torch.Tensor) -> Passage:
    """Run a network once, in evaluation mode and without gradients, and return what ran.

    Parameters
    ----------
    network
        Any module; its mode is put back.
    images
        (batch, channels, height, width).
    """
    names = {module: name for name, module in network.named_modules()}
    open_calls: list[Passage] = []
    roots: list[Passage] = []

    def enter(module: nn.Module, inputs: tuple, named: dict[str, Any]) -> None:
        arguments = [*inputs, *named.values()]
        given = arguments[0] if len(arguments) == 1 else arguments
        passage = Passage(names[module], module, given, _version(given))
        (open_calls[-1].inner if open_calls else roots).append(passage)
        open_calls.append(passage)

    def leave(module: nn.Module, inputs: tuple, output: Any) -> None:
        passage = open_calls.pop()
        passage.output, passage.output_version = output, _version(output)

    handles = [hook for module in names for hook in (module.register_forward_pre_hook(enter, with_kwargs=True),
                                                     module.register_forward_hook(leave))]
    modes = {module: module.training for module in names}
    network.eval()
    try:
        with torch.no_grad():
            network(images)
    finally:
        for handle in handles:
            handle.remove()
        for module, mode in modes.items():
            module.training = mode
    return roots[0]


def run_of(passage: Passage) -> Run:
    """The calls that a module made one after another, as far as nothing else happened between them."""
    found: list[Passage] = []
    value, version = passage.given, passage.given_version
    for call in passage.inner:
        if call.given is not value or call.given_version != version:
            break
        found.append(call)
        value, version = call.output, call.output_version
    whole = bool(found) and len(found) == len(passage.inner) and passage.output is value and passage.output_version == version
    return Run(tuple(found), whole)


def _version(value: Any) -> int:
    """Grows with every change in place."""
    return value._version if isinstance(value, torch.Tensor) else 0
