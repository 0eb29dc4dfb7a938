"""Files that appear whole or not at all."""

from __future__ import annotations

import os
from pathlib import Path

from .errors import SettingsError

__all__ = ['check_place', 'write_atomically']


def check_place(path: Path) -> None:
    """See that a file can be written here, before the work whose result it is to hold.

    Raises
    ------
    SettingsError
        If its folder is missing or not writable, or it is a folder itself.
    """
    if path.is_dir():
        raise SettingsError(f'--output: expected a file, got the folder {path}; name a file in it')
    if not path.parent.is_dir():
        raise SettingsError(f'--output: expected a file in a folder that exists, got {path}; make {path.parent} first')
    if not os.access(path.parent, os.W_OK):
        raise SettingsError(f'--output: {path} cannot be written, because {path.parent} is not writable; name another place')


def write_atomically(path: Path, content: bytes) -> None:
    """Write a file beside its place, sync it, and move it there: a crash leaves the old file or the new one.

    Parameters
    ----------
    path
        Where; its folder exists.
    content
        What.
    """
    temporary = path.with_name(f'.{path.name}.{os.getpid()}')
    try:
        with temporary.open('wb') as file:
            file.write(content)
            file.flush()
            os.fsync(file.fileno())
        os.replace(temporary, path)
    finally:
        temporary.unlink(missing_ok=True)
