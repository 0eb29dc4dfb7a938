"""The journal: an append-only file of JSON lines, flushed and synced, that says what a campaign has done.

A line that a crash cut off is dropped; everything before it counts.
"""

from __future__ import annotations

import json
import os
import time
from pathlib import Path
from typing import Any

from ..errors import WorkFolderError
from ..files import writing
from ..versions import FORMAT, check_version

__all__ = ['Journal']


class Journal:
    """Events of a campaign, in the order in which they happened.

    Parameters
    ----------
    path
        The file; it need not exist.
    """

    def __init__(self, path: Path):
        self.path = path

    def read(self) -> list[dict[str, Any]]:
        """All whole events.

        Raises
        ------
        WorkFolderError
            If a line before the last is damaged, or the journal was written by another version.
        """
        if not self.path.exists():
            return []
        lines = self.path.read_bytes().split(b'\n')
        events = []
        for number, line in enumerate(lines[:-1], start=1):  # what follows the last newline is cut off, or nothing
            try:
                event = json.loads(line)
                version = event['version']
            except (ValueError, KeyError, TypeError, RecursionError) as error:
                raise WorkFolderError(f'{self.path}, line {number}: expected an event in JSON, got {line[:80]!r}; the journal '
                                      'is damaged: restore it, or name another work folder') from error
            check_version(version, f'{self.path}, line {number}', WorkFolderError)
            events.append(event)
        return events

    def append(self, event: str, **details: Any) -> None:
        """Write an event; when this returns, it is on the disk.

        Parameters
        ----------
        event
            Its kind.
        **details
            JSON-able data.

        Raises
        ------
        WorkFolderError
            If it cannot be written; what was there before still counts.
        """
        line = json.dumps({'version': FORMAT, 'time': round(time.time(), 3), 'event': event, **details}, sort_keys=True)
        with writing(self.path), self.path.open('ab+') as file:
            self._drop_cut_off_line(file)
            file.write(line.encode() + b'\n')
            file.flush()
            os.fsync(file.fileno())

    @staticmethod
    def _drop_cut_off_line(file: Any) -> None:
        size = file.seek(0, os.SEEK_END)
        if size:
            file.seek(size - 1)
            if file.read(1) != b'\n':
                file.seek(0)
                file.truncate(file.read().rfind(b'\n') + 1)
