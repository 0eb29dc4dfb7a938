"""Marks that a task gets on: a trial leaves them in the work folder, and `stalling` looks at them.

No clock is compared with another: a mark only has to differ from the one before.
"""

from __future__ import annotations

import time
import uuid
from contextlib import contextmanager
from pathlib import Path
from typing import Callable, Iterator

from .files import writing

__all__ = ['START', 'mark', 'marking', 'mark_file']

START = ' 0'
"""How the mark of a trial's start ends."""

_APART = 1.0  # seconds between the marks of a trial, at the least
_current: Callable[[], None] | None = None


def mark() -> None:
    """The task that this process does, if any, has got on by a step."""
    if _current is not None:
        _current()


@contextmanager
def marking(file: Path) -> Iterator[None]:
    """Let `mark` write to a file in here; the first mark is that of the start."""
    global _current
    name, count, last = uuid.uuid4().hex, 0, -_APART

    def write() -> None:
        nonlocal count, last
        if time.monotonic() - last >= _APART or count == 1:
            with writing(file):
                file.write_text(f'{name} {count}')
            count, last = count + 1, time.monotonic()

    before, _current = _current, write
    try:
        write()
        yield
    finally:
        _current = before


def mark_file(work: Path, task_id: str) -> Path:
    """Where the marks of a task are."""
    return work / task_id / 'progress.txt'
