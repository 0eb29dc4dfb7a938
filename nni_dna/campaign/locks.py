"""Who may write: one experiment to a work folder, one trial to a task's. The kernel gives a dead process's locks back."""

from __future__ import annotations

import fcntl
import logging
import os
import socket
from contextlib import contextmanager
from pathlib import Path
from typing import IO, Iterator

from ..errors import WorkFolderError
from ..files import writing

__all__ = ['lock_folder', 'one_at_a_time']

_logger = logging.getLogger(__name__)


def lock_folder(root: Path) -> IO[str]:
    """Keep others from running a campaign here, for as long as the file that this returns is open.

    Raises
    ------
    WorkFolderError
        If another process does, on whatever machine, or the storage has no locks. The lock of a dead one does not count.
    """
    file = (root / 'lock').open('a+')
    try:
        fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        file.seek(0)
        raise WorkFolderError(f'work: another experiment is running on {root} ({file.read().strip()}); wait for it, '
                              'stop it, or name another work folder') from None
    except OSError as error:
        raise WorkFolderError(f'work: {root} is on storage where no file can be locked ({error.strerror or error}); '
                              'mount it with locks, or name a folder elsewhere') from error
    file.truncate(0)
    file.write(f'host {socket.gethostname()}, process {os.getpid()}')
    file.flush()
    return file


@contextmanager
def one_at_a_time(path: Path, task_id: str) -> Iterator[None]:
    """Wait for another trial that does the same task, and keep others waiting.

    Where NNI's manager was killed, a trial that it had started may live on, and the resumed manager starts another one.

    Parameters
    ----------
    path
        The file that is locked.
    task_id
        The task, for the log.
    """
    with writing(path):
        file = path.open('w')
    with file:
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            _logger.info('another trial does %s; this one waits for it', task_id)
            fcntl.flock(file, fcntl.LOCK_EX)
        except OSError as error:
            _logger.warning('%s: this storage has no locks (%s), so two trials could do one task', path, error)
        yield
