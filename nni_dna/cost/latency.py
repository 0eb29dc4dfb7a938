"""Milliseconds of the parts of a space's networks, measured on this machine with torch.utils.benchmark.

A network's latency is taken as the sum of its parts', as tables of mobile networks do. Parts that do the same are measured once.
"""

from __future__ import annotations

import copy
import platform
import statistics
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Callable, Iterable, Mapping

import torch
from torch import nn

from ..errors import SettingsError, SpaceError
from ..versions import FORMAT, check_version
from .operations import Trace

__all__ = ['Conditions', 'Latencies', 'check_device', 'device_name', 'measure', 'median_ms', 'with_weights']

# NOTE: every part is measured once in each round, so that what else the machine does for a while spoils no part alone.
ROUNDS = 3
SECONDS = 0.1  # of each measurement


@dataclass(frozen=True, kw_only=True)
class Conditions:
    """On what is measured.

    Attributes
    ----------
    device
        ``cpu``, ``cuda`` or ``cuda:N``.
    batch_size
        Images of a forward pass.
    threads
        CPU threads.
    """

    device: str
    batch_size: int
    threads: int


@dataclass(frozen=True, kw_only=True)
class Latencies:
    """What was measured.

    Attributes
    ----------
    conditions
        On what.
    machine
        The device's ``name`` and the version of ``torch``.
    parts
        By the key of a part: its ``module`` and the ``input`` shape, for people, and ``ms``.
    """

    conditions: Conditions
    machine: Mapping[str, str]
    parts: Mapping[str, Mapping[str, Any]]

    def milliseconds(self, part: Trace) -> float:
        """Those of a part that was measured."""
        return self.parts[part.key]['ms']

    def missing(self, keys: Iterable[str]) -> list[str]:
        """The keys of parts that were not measured."""
        return [key for key in keys if key not in self.parts]

    def to_plain(self) -> dict[str, Any]:
        """As JSON-able data; `from_plain` takes it back, bit for bit."""
        return {'version': FORMAT, **vars(self.conditions), 'machine': dict(self.machine),
                'parts': {key: dict(part) for key, part in self.parts.items()}}

    @staticmethod
    def from_plain(raw: Any) -> Latencies:
        """What `to_plain` gave.

        Raises
        ------
        ValueError
            If it is anything else.
        """
        try:
            check_version(raw['version'], 'latencies', SettingsError, 'measure again')
            found = Latencies(conditions=Conditions(**{name: raw[name] for name in ('device', 'batch_size', 'threads')}),
                              machine=raw['machine'], parts=raw['parts'])
            if not all(isinstance(part['ms'], float) and 0 < part['ms'] < float('inf') for part in found.parts.values()):
                raise ValueError('expected milliseconds above 0')
        except (KeyError, TypeError, AttributeError) as error:
            raise ValueError(f'expected measured latencies, got {type(error).__name__}: {error}') from error
        return found


def check_device(device: str) -> None:
    """See that this machine has the device.

    Raises
    ------
    SettingsError
        If it has not.
    """
    if device != 'cpu' and (torch.device(device).index or 0) >= torch.cuda.device_count():
        raise SettingsError(f'latency.device: expected a device of this machine, which has {torch.cuda.device_count()} CUDA '
                            f'devices, got {device!r}; name another, or measure on the machine that has it with '
                            '`nni-dna latency CONFIG FILE`, and give latency.file')


def measure(parts: Iterable[Trace], conditions: Conditions, rounds: int = ROUNDS,
            clock: Callable[[], float] | None = None) -> Latencies:
    """Measure every part, in evaluation mode and without gradients, as float32 with random weights.

    Parameters
    ----------
    parts
        Each of another kind.
    conditions
        On what.
    rounds
        How often; the median counts.
    clock
        Gives seconds; PyTorch's own by default, which waits for the GPU.

    Raises
    ------
    SettingsError
        If this machine has no such device.
    SpaceError
        If a part cannot run there.
    """
    check_device(conditions.device)
    parts = list(parts)
    times: dict[str, list[float]] = {part.key: [] for part in parts}
    for _ in range(rounds):
        for part in parts:
            times[part.key].append(_measure_part(part, conditions, clock))
    return Latencies(conditions=conditions, machine={'name': device_name(conditions.device), 'torch': torch.__version__},
                     parts={part.key: {'module': _title(part.module), 'input': list(part.shape),
                                       'ms': statistics.median(times[part.key])} for part in parts})


def median_ms(network: nn.Module, shape: tuple[int, ...], conditions: Conditions, seconds: float,
              clock: Callable[[], float] | None = None) -> float:
    """Median milliseconds of a forward pass, after a warm-up.

    Parameters
    ----------
    network
        On the device, in evaluation mode.
    shape
        Shape of its input without the batch.
    conditions
        On what.
    seconds
        For how long to repeat it.
    clock
        As for `measure`.
    """
    from torch.utils.benchmark import Timer, timer  # takes long, and says on stderr where it found no compiler for the GPU
    images = torch.randn(conditions.batch_size, *shape, device=conditions.device)
    measurement = Timer('network(images)', globals={'network': network, 'images': images}, num_threads=conditions.threads,
                        timer=clock or timer)
    with torch.inference_mode():
        measurement.timeit(2)  # the first calls choose algorithms and ask for memory
        return 1e3 * measurement.blocked_autorange(min_run_time=seconds).median


def _measure_part(part: Trace, conditions: Conditions, clock: Callable[[], float] | None) -> float:
    try:
        return median_ms(with_weights(part.module, conditions.device), part.shape, conditions, SECONDS, clock)
    except Exception as error:  # whatever the user's module raises there
        raise SpaceError(f'search.max_latency_ms: {_title(part.module)} cannot run on {conditions.batch_size} inputs of shape '
                         f'{part.shape} on latency.device {conditions.device!r}: {type(error).__name__}: {error}') from error


def with_weights(module: nn.Module, device: str) -> nn.Module:
    """A copy of a module on the meta device with random weights, in evaluation mode."""
    made = copy.deepcopy(module).to_empty(device=device).eval()
    with torch.no_grad():
        for tensor in (*made.parameters(), *made.buffers()):  # what has no initialisation of its own gets harmless values
            tensor.uniform_(0.01, 0.1) if tensor.is_floating_point() else tensor.zero_()
        for layer in made.modules():
            reset = getattr(layer, 'reset_parameters', None)
            if callable(reset):
                reset()
    return made


def _title(module: nn.Module) -> str:
    """The module in one line, for people."""
    lines = ' '.join(repr(module).split())
    return lines if len(lines) <= 100 else lines[:97] + '...'


def device_name(device: str) -> str:
    """What the device's maker calls it."""
    if device != 'cpu':
        return torch.cuda.get_device_name(device)
    info = Path('/proc/cpuinfo')  # where platform knows the architecture alone
    names = [line.partition(':')[2].strip() for line in info.read_text().splitlines() if line.startswith('model name')] \
        if info.is_file() else []
    return names[0] if names else platform.processor() or platform.machine()
