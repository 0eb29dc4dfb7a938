"""What a task takes to report with, and what it gives back."""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Callable, Mapping

__all__ = ['Outcome', 'Report']

Report = Callable[[float], None]
"""Takes an intermediate result."""


@dataclass(frozen=True, kw_only=True)
class Outcome:
    """What a task found.

    Attributes
    ----------
    value
        The final metric: an accuracy for ``retrain``, and a value of at most 0 for the others, so that the web UI's best
        trials are the retrained models.
    files
        What it wrote.
    details
        Further JSON-able findings.
    scratch
        Files that nobody needs once the result is written.
    """

    value: float
    files: list[Path]
    details: Mapping[str, Any] = field(default_factory=dict)
    scratch: list[Path] = field(default_factory=list)
