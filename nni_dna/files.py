"""Files that appear whole or not at all."""

from __future__ import annotations

import os
from pathlib import Path

__all__ = ['write_atomically']


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
