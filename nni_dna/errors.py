"""The errors of nni_dna: one root, and a leaf per kind of mistake.

Every message says what was expected, what came, and the remedy, and names the option. A leaf also inherits the builtin
that a caller would expect, so ``except ValueError`` keeps working.
"""

from __future__ import annotations

import difflib
from typing import Any, Iterable, Mapping

__all__ = [
    'NniDnaError', 'SettingsError', 'SpaceError', 'TeacherError', 'WeightsError', 'DataError', 'InfeasibleError',
    'WorkFolderError', 'ResultError', 'CampaignError', 'TrainingError', 'OutOfMemoryError', 'ExportError', 'nearest',
]


class NniDnaError(Exception):
    """Root of all errors that nni_dna raises on purpose."""


class SettingsError(NniDnaError, ValueError):
    """A setting is missing, unknown, of the wrong type or out of range."""


class SpaceError(NniDnaError, ValueError):
    """A model space, or a search-space file that restricts it, cannot be used."""


class TeacherError(NniDnaError, ValueError):
    """A teacher cannot be built, or a stage that was asked for does not exist or does not fit a block."""


class WeightsError(NniDnaError, ValueError):
    """A weights file is missing, damaged, unsafe, or belongs to another network."""


class DataError(NniDnaError, ValueError):
    """A dataset cannot be found, read, or split as asked."""


class InfeasibleError(NniDnaError, ValueError):
    """No architecture keeps the limits.

    Attributes
    ----------
    cheapest
        The smallest possible total of each cost, by the limit's name (same units as the limit).
    """

    def __init__(self, message: str, cheapest: Mapping[str, float]):
        super().__init__(message)
        self.cheapest = dict(cheapest)


class WorkFolderError(NniDnaError, OSError):
    """The work folder cannot be written, or belongs to other settings."""


class ResultError(NniDnaError, ValueError):
    """A result file is missing, damaged, or not the one that its task reported."""


class CampaignError(NniDnaError, RuntimeError):
    """A task failed more often than ``retries`` allows."""


class TrainingError(NniDnaError, FloatingPointError):
    """A loss became NaN or infinite."""


class OutOfMemoryError(NniDnaError, MemoryError):
    """Memory does not hold even one image."""


class ExportError(NniDnaError, RuntimeError):
    """A network cannot be exported, or what was written does not give what the network gives."""


def nearest(word: Any, known: Iterable[Any], count: int = 3) -> str:
    """Name the known words nearest to a mistyped one, for an error message.

    Parameters
    ----------
    word
        What came.
    known
        What is known.
    count
        How many to name at the most.

    Returns
    -------
    str
        ``nearest known: a, b`` or, where nothing is alike, ``known: a, b, c, ...`` (at most ten).
    """
    words = [str(item) for item in known]
    close = difflib.get_close_matches(str(word), words, n=count, cutoff=0.5)
    if close:
        return 'nearest known: ' + ', '.join(close)
    return 'known: ' + ', '.join(words[:10]) + (', ...' if len(words) > 10 else '')
