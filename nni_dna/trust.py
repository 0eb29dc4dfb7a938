"""Which folders may name code: those whose record this user's own experiments wrote, and those that the user has read.

A record in a folder names classes by import path and a folder of modules, so whoever wrote the file decides what runs when the
experiment's parts are made again. The digests of records that may do so are kept outside the folders, in the user's own
state; a record that was changed, or came from elsewhere, is another one.
"""

from __future__ import annotations

import logging
import os
from pathlib import Path
from typing import Any, Iterable, Iterator, Mapping

from .campaign.records import SETTINGS, TRANSFER, read_record
from .errors import WorkFolderError
from .files import sha256
from .imports import add_to_path, is_import_path

__all__ = ['RECORDS', 'import_from', 'imported_names', 'remember', 'trust']

RECORDS = ('settings.json', 'transfer.json')
"""The files of a work folder, and of a transfer's output, that name code."""

_logger = logging.getLogger(__name__)


def remember(record: Path) -> None:
    """Let what this record names be imported from now on; warns where that cannot be kept."""
    try:
        _keep(record)
    except OSError as error:
        _logger.warning('%s cannot be written (%s): load, export, transfer and report will ask for `nni-dna trust %s`',
                        _known_file(), error, record.parent)


def trust(folder: Path) -> str:
    """What ``nni-dna trust`` does: remember a folder's record, and say what it names.

    Raises
    ------
    WorkFolderError
        If the folder has no record, or the user's state cannot be written.
    """
    file = next((folder / name for name in RECORDS if (folder / name).is_file()), None)
    if file is None:
        raise WorkFolderError(f'work: expected a folder with {" or ".join(RECORDS)}, got {folder}; name the work folder of an '
                              'experiment, or the folder that a transfer wrote')
    found = read_record(file, SETTINGS if file.name == RECORDS[0] else TRANSFER, WorkFolderError,
                        'name the work folder of an experiment')
    names, code = list(imported_names(found)), found['code']
    try:
        _keep(file)
    except OSError as error:
        raise WorkFolderError(f'work: {_known_file()} cannot be written: {error}; set XDG_STATE_HOME to a folder that '
                              'can') from error
    return f'{file} may import {", ".join(names) or "nothing"}; modules beside the experiment are taken from {code}'


def import_from(record: Path, names: Iterable[str], code: str | Path) -> None:
    """Make ready to import what a folder's record names.

    Parameters
    ----------
    record
        The file.
    names
        What is going to be built: short names, which need nothing, and import paths.
    code
        The folder of modules that the record names.

    Raises
    ------
    WorkFolderError
        If there is an import path, and the record is neither of this user's own experiments nor trusted.
    """
    paths = sorted({name for name in names if _imports(name)})
    if not paths:
        return
    if sha256(record) not in _known():
        raise WorkFolderError(f'work: {record} names code to import ({", ".join(paths)}; modules from {code}), and no experiment '
                              f'that you ran here wrote it; read it, and if you trust it, run `nni-dna trust {record.parent}`')
    add_to_path(code)


def imported_names(record: Any) -> Iterator[str]:
    """All import paths that a record names, wherever they are in it."""
    parts: Iterable[Any] = ()
    if isinstance(record, Mapping):
        keys = ('name', 'class', 'function')
        yield from (value for key, value in record.items() if key in keys and isinstance(value, str) and _imports(value))
        hooks = record.get('mutation_hooks')
        yield from (hook for hook in hooks if isinstance(hook, str)) if isinstance(hooks, list) else ()
        parts = record.values()
    elif isinstance(record, list):
        parts = record
    for part in parts:
        yield from imported_names(part)


def _imports(name: str) -> bool:
    return is_import_path(name) and not name.startswith('timm:')  # which names a model of timm's


def _known_file() -> Path:
    state = os.environ.get('XDG_STATE_HOME')
    return (Path(state) if state else Path.home() / '.local' / 'state') / 'nni_dna' / 'trusted'


def _known() -> set[str]:
    file = _known_file()
    return {line.partition(' ')[0] for line in file.read_text().splitlines()} if file.is_file() else set()


def _keep(record: Path) -> None:
    digest, file = sha256(record), _known_file()
    if digest not in _known():
        file.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
        with file.open('a') as known:
            known.write(f'{digest} {record}\n')
