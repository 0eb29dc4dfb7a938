"""Where the latencies of an experiment come from: a file that the user names, the work folder, or a measurement here and now."""

from __future__ import annotations

import json
import logging
from pathlib import Path
from typing import TYPE_CHECKING

from ..cost.latency import Conditions, Latencies, measure
from ..cost.parts import NetworkParts
from ..errors import SettingsError, WorkFolderError
from ..files import write_atomically
from ..settings.sections import CommonSettings, LatencySettings

if TYPE_CHECKING:
    from .setup import Setup

__all__ = ['WORK_FILE', 'find_latencies', 'measure_here', 'measure_into', 'write_latencies']

WORK_FILE = 'latency.json'
"""The file in the work folder."""

_logger = logging.getLogger(__name__)


def find_latencies(settings: CommonSettings, parts: NetworkParts) -> Latencies:
    """The latencies of a space's parts: those of ``latency.file``, else those that the work folder has, else measured now.

    Parameters
    ----------
    settings
        The experiment's.
    parts
        What is to be known.

    Raises
    ------
    SettingsError
        If ``latency.file`` cannot be read, or holds something else.
    WorkFolderError
        If the work folder's cannot be read.
    """
    wanted, keys = _conditions(settings.latency), list(parts.traces())
    if settings.latency.file is not None:
        return _read_given(settings.latency.file, wanted, keys)
    file = settings.work / WORK_FILE
    if file.is_file():
        try:
            found = _read(file)
        except (OSError, ValueError) as error:
            raise WorkFolderError(f'work: {file} cannot be read: {error}; delete it to measure again') from error
        if found.conditions == wanted and not found.missing(keys):
            return found
        _logger.warning('%s was measured under other settings or for another space; measured again', file)
    return measure_here(settings.latency, parts)


def measure_here(settings: LatencySettings, parts: NetworkParts) -> Latencies:
    """Measure on this machine."""
    traces = parts.traces()
    _logger.info('latency: measuring %d parts on %s', len(traces), settings.device)
    return measure(traces.values(), _conditions(settings))


def write_latencies(latencies: Latencies, file: Path) -> None:
    """Keep what was measured."""
    write_atomically(file, json.dumps(latencies.to_plain(), indent=2).encode() + b'\n')


def measure_into(setup: Setup, file: Path) -> str:
    """Measure an experiment's parts on this machine, limit or not, for ``latency.file``; returns a line for the user.

    Raises
    ------
    SettingsError
        If the file cannot be written.
    """
    if not file.parent.is_dir() or file.is_dir():
        raise SettingsError(f'expected a file in a folder that exists, got {file}')
    found = measure_here(setup.settings.latency, setup.parts)
    write_latencies(found, file)
    return f'{len(found.parts)} parts measured on {found.machine["name"]} ({found.conditions.device}): {file}'


def _conditions(settings: LatencySettings) -> Conditions:
    return Conditions(device=settings.device, batch_size=settings.batch_size, threads=settings.threads)


def _read(file: Path) -> Latencies:
    return Latencies.from_plain(json.loads(file.read_bytes()))


def _read_given(file: Path, wanted: Conditions, keys: list[str]) -> Latencies:
    again = 'measure again with `nni-dna latency CONFIG FILE`'
    try:
        found = _read(file)
    except (OSError, ValueError) as error:
        raise SettingsError(f'latency.file: {file} cannot be read: {error}; {again}') from error
    if found.conditions != wanted:
        raise SettingsError(f'latency.file: expected {wanted}, as the section says, got a file of {found.conditions}; change the '
                            f'section, or {again}')
    missing = found.missing(keys)
    if missing:
        raise SettingsError(f'latency.file: {file} lacks {len(missing)} of {len(keys)} parts of this space at this image size; '
                            f'{again}')
    return found
