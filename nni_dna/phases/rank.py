"""``python -m nni_dna.phases.rank``: one of the processes that retrain a winner beside the trial's own."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Any, Callable

from ..campaign.config import ConfigSetup
from ..campaign.work import WorkFolder
from ..imports import add_to_path
from ..retrain.ranks import train_along
from .retrain import untrained
from .running import use_threads

__all__ = ['main']


def main() -> int:
    """Train along. Returns the exit code."""
    return train_along(_prepare)


def _prepare(work: str, architecture: dict[str, Any], checkpoint: str | None) -> Callable[[], None]:
    folder = WorkFolder(Path(work))
    add_to_path(folder.code_folder())
    setup = ConfigSetup.from_record(folder.record(), folder.root)
    use_threads(setup.settings)
    network, file = untrained(setup, architecture), None if checkpoint is None else Path(checkpoint)
    return lambda: setup.train_winner(network, lambda value: None, file)


if __name__ == '__main__':
    sys.exit(main())
