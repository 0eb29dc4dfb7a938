"""The operations that a network, or a part of one, does in inference, and the memory that is alive at each.

Found by running it once on the meta device and watching PyTorch's own operations, so functional calls count like modules.
"""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import torch
from torch import nn
from torch.utils._python_dispatch import TorchDispatchMode
from torch.utils._pytree import tree_leaves, tree_map_only

__all__ = ['Operation', 'Trace', 'trace_operations']


@dataclass(frozen=True)
class Operation:
    """One of PyTorch's operations.

    Attributes
    ----------
    text
        Its name and arguments; of tensors the shapes.
    reads
        For each tensor that it takes, how many operations ago that was made; None for a weight, -1 for the input.
    alive
        Bytes of the activations that are alive while it runs: those that it reads or makes, and those that a later one reads.
    """

    text: str
    reads: tuple[int | None, ...]
    alive: int


@dataclass(frozen=True, eq=False)
class Trace:
    """A network, or a part of one, and what it does with one image.

    Peak activation memory is defined here. The operations run one after another, and so does the memory: an activation is
    alive from the operation that makes it to the last one that reads it, the input from the start, the output to the end. It
    takes the bytes of its storage, so what an operation changes in place and what is only another view of it is counted once.
    Weights, what no operation reads, and memory that an operation's kernel takes for itself are not activations.

    Attributes
    ----------
    module
        The plain network or part, on the meta device.
    shape
        Shape of its input without the batch.
    operations
        In the order in which they run.
    output
        Shape of its output without the batch.
    """

    module: nn.Module
    shape: tuple[int, ...]
    operations: tuple[Operation, ...]
    output: tuple[int, ...]

    @property
    def peak(self) -> int:
        """Most bytes of activations that are alive at once."""
        return max((operation.alive for operation in self.operations), default=0)

    @cached_property
    def key(self) -> str:
        """The same for parts that do the same: the same operations on the same shapes, reading the same results."""
        content = [self.shape, *((operation.text, operation.reads) for operation in self.operations)]
        return hashlib.sha256(repr(content).encode()).hexdigest()[:16]


class _Recorder(TorchDispatchMode):
    """Writes down every operation; storages are known by number, the input's is 0."""

    def __init__(self, network: nn.Module, image: torch.Tensor):
        super().__init__()
        self._weights = {_storage(tensor) for tensor in (*network.parameters(), *network.buffers())}
        self._numbers = {_storage(image): 0}
        self._kept: list[torch.Tensor] = [image]  # a storage that was let go could give its address to another
        self.sizes = [_bytes(image)]
        self.calls: list[tuple[str, list[int | None]]] = []
        self.made_at = [-1]

    def __torch_dispatch__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        result = func(*args, **(kwargs or {}))
        given = [leaf for leaf in tree_leaves((args, kwargs)) if isinstance(leaf, torch.Tensor)]
        text = f'{func}{tree_map_only(torch.Tensor, lambda tensor: tuple(tensor.shape), (args, kwargs or {}))}'
        reads = [self._number(tensor) for tensor in given]
        self.calls.append((text, reads))
        for leaf in tree_leaves(result):
            if isinstance(leaf, torch.Tensor):
                self._number(leaf)
        return result

    def _number(self, tensor: torch.Tensor) -> int | None:
        storage = _storage(tensor)
        if storage in self._weights:
            return None
        if storage not in self._numbers:
            self._numbers[storage] = len(self.sizes)
            self._kept.append(tensor)
            self.sizes.append(_bytes(tensor))
            self.made_at.append(len(self.calls) - 1)
        return self._numbers[storage]

    def operations(self, output: torch.Tensor) -> tuple[Operation, ...]:
        """What was written down, with the bytes that are alive at each."""
        until = {number: index for index, (_, reads) in enumerate(self.calls) for number in reads}
        until[self._number(output)] = len(self.calls) - 1
        change = [0] * (len(self.calls) + 1)
        for number, last in until.items():
            if number is not None:
                change[max(self.made_at[number], 0)] += self.sizes[number]
                change[last + 1] -= self.sizes[number]
        found, alive = [], 0
        for index, (text, reads) in enumerate(self.calls):
            alive += change[index]
            ago = tuple(None if number is None else -1 if number == 0 else index - self.made_at[number] for number in reads)
            found.append(Operation(text, ago, alive))
        return tuple(found)


def _storage(tensor: torch.Tensor) -> int:
    return tensor.untyped_storage()._cdata


def _bytes(tensor: torch.Tensor) -> int:
    return tensor.untyped_storage().nbytes()


@torch.no_grad()
def trace_operations(module: nn.Module, shape: tuple[int, ...]) -> Trace:
    """Run a plain network, or a part of one, for one float32 image.

    Parameters
    ----------
    module
        On the meta device; its mode is put back.
    shape
        Shape of its input without the batch.
    """
    training = module.training
    image = torch.zeros(1, *shape, device='meta')
    recorder = _Recorder(module, image)
    module.eval()
    try:
        with recorder:
            output = module(image)
    finally:
        module.train(training)
    return Trace(module, tuple(shape), recorder.operations(output), tuple(output.shape[1:]))
