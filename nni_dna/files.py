"""Files that appear whole or not at all."""

from __future__ import annotations

import hashlib
import os
import socket
from contextlib import contextmanager
from pathlib import Path
from typing import Iterator

from .errors import ResultError, SettingsError, WorkFolderError

__all__ = ['check_place', 'check_writable', 'inside', 'sha256', 'write_atomically', 'writing']


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


def check_writable(folder: Path, option: str) -> None:
    """See that a folder can be written, or made where it is not there.

    Parameters
    ----------
    folder
        Which.
    option
        What named it, for the message.

    Raises
    ------
    WorkFolderError
        If it cannot.
    """
    existing = next(place for place in (folder, *folder.parents) if place.exists())
    if not existing.is_dir() or not os.access(existing, os.W_OK):
        raise WorkFolderError(f'{option}: {folder} cannot be written, because {existing} '
                              f'{"is not writable" if existing.is_dir() else "is no folder"}; name a folder that can')


def inside(root: Path, name: str) -> Path:
    """The place in a folder that a file names.

    Parameters
    ----------
    root
        The folder.
    name
        What a journal, a result or a table says: a relative path.

    Raises
    ------
    ResultError
        If it is elsewhere: an absolute path, one with ``..``, or a link that leads out of the folder.
    """
    path = root / name
    try:
        within = path.resolve().is_relative_to(root.resolve())
    except (OSError, ValueError, RuntimeError):  # a name that no file can have, or links in a circle
        within = False
    if not within:
        raise ResultError(f'{name!r} is outside the work folder {root}; the file that names it is damaged or not to be trusted: '
                          'restore it, or name another work folder')
    return path


def sha256(path: Path) -> str:
    """The digest of a file."""
    return hashlib.sha256(path.read_bytes()).hexdigest()


def write_atomically(path: Path, content: bytes) -> None:
    """Write a file beside its place, sync it, and move it there: a crash leaves the old file or the new one.

    Parameters
    ----------
    path
        Where; its folder exists.
    content
        What.

    Raises
    ------
    WorkFolderError
        If it cannot be written: the disk is full, or the folder read-only.
    """
    temporary = path.with_name(f'.{path.name}.{socket.gethostname()}.{os.getpid()}')  # machines have the same numbers
    with writing(path):
        try:
            with temporary.open('wb') as file:
                file.write(content)
                file.flush()
                os.fsync(file.fileno())
            os.replace(temporary, path)
        finally:
            temporary.unlink(missing_ok=True)


@contextmanager
def writing(path: Path) -> Iterator[None]:
    """Say what to do where a file cannot be written."""
    try:
        yield
    except OSError as error:
        raise WorkFolderError(f'{path} cannot be written: {error.strerror or error}; make room, or make its folder writable, and '
                              'start again: what is finished is kept') from error
