"""The version of the files in a work folder: what each carries, and how another version is refused."""

from __future__ import annotations

from typing import Any

from .errors import NniDnaError

__all__ = ['FORMAT', 'check_version']

FORMAT = 1
"""Of every file that we write: journal, settings, results, rankings, rating and cost tables, loads, latencies, transfers.

It grows when an older nni_dna could not read a file rightly, and with it what reads the older files.
"""


def check_version(found: Any, place: str, error: type[NniDnaError], remedy: str = 'name another work folder') -> None:
    """See that this nni_dna can read a file.

    Parameters
    ----------
    found
        What the file says; None where it says nothing, as some files of format 1 did before all had a version.
    place
        The file, for the message.
    error
        What to raise.
    remedy
        What to do, beside upgrading.

    Raises
    ------
    NniDnaError
        Of the kind ``error``, if the version is another.
    """
    if found is None or found == FORMAT and isinstance(found, int) and not isinstance(found, bool):
        return
    newer = isinstance(found, int) and found > FORMAT
    cause = 'a newer nni_dna wrote it: upgrade nni_dna' if newer else 'it is damaged or of something else: restore it'
    raise error(f'{place}: expected version {FORMAT} of the format, got {found!r}; {cause}, or {remedy}')
