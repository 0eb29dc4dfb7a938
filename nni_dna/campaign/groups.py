"""Which supernets a trial distils where ``distill.tasks`` is a number: measured once, and kept in the work folder."""

from __future__ import annotations

import json
import logging
from typing import TYPE_CHECKING

import torch

from ..distill.loads import Loads, balanced, measure_loads
from ..errors import WorkFolderError
from ..files import write_atomically
from ..lightning import compute_device
from ..versions import FORMAT
from .records import GROUPS, read_record
from .tasks import supernet_id

if TYPE_CHECKING:
    from .setup import Setup

__all__ = ['LOADS_FILE', 'find_groups', 'stored_loads']

LOADS_FILE = 'loads.json'
"""The file in the work folder."""

_IMAGES = 4
"""How many images a measured step has."""

_logger = logging.getLogger(__name__)


def find_groups(setup: Setup) -> list[list[str]]:
    """The supernets of each trial, by `supernet_id`. What the work folder has is taken, else it is measured here and now.

    An interrupted experiment must find its tasks again, and no two measurements are the same.

    Raises
    ------
    WorkFolderError
        If the work folder's file cannot be read.
    """
    assert isinstance(setup.settings.distill.tasks, int)
    file, keys = setup.settings.work / LOADS_FILE, _keys(setup)
    names = {key: name for name, key in keys.items()}
    loads = stored_loads(setup)
    if loads is None:
        device = compute_device()
        _logger.info('distill.tasks: measuring %d supernets on %s', len(keys), device)
        space = setup.build_space()
        supernets = {(b, s): setup.supernet(space, b, name) for b, s, _, name in setup.chain.supernets()}
        loads = measure_loads(setup.teacher(None), supernets, torch.zeros(_IMAGES, *setup.data.image_shape, device=device))
        write_atomically(file, json.dumps({'version': FORMAT, 'device': str(device), 'teacher': loads.teacher, 'supernets': {
            names[key]: part for key, part in loads.supernets.items()}}, indent=2).encode() + b'\n')
    return [[names[key] for key in group] for group in balanced(loads, setup.settings.distill.tasks)]


def stored_loads(setup: Setup) -> Loads | None:
    """What the work folder has measured; None where it has not.

    Raises
    ------
    WorkFolderError
        As `find_groups`.
    """
    file, keys = setup.settings.work / LOADS_FILE, _keys(setup)
    if not file.is_file():
        return None
    found = read_record(file, GROUPS, WorkFolderError, 'delete it to measure again')
    if len(found['teacher']) != len(setup.chain.blocks) or set(found['supernets']) != set(keys):
        raise WorkFolderError(f'work: {file}: expected the supernets of this experiment, got others; delete it to measure again')
    return Loads(teacher=[float(part) for part in found['teacher']],
                 supernets={keys[name]: float(part) for name, part in found['supernets'].items()})


def _keys(setup: Setup) -> dict[str, tuple[int, int]]:
    """By `supernet_id` the block and the supernet."""
    return {supernet_id(block, name): (b, s) for b, s, block, name in setup.chain.supernets()}
