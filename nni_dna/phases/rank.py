"""``python -m nni_dna.phases.rank``: one of the processes that retrain a winner beside the trial's own."""

from __future__ import annotations

import sys
import warnings
from pathlib import Path

__all__ = ['main']


def main() -> int:
    """Train along, report and write nothing. Returns the exit code."""
    warnings.filterwarnings('ignore', category=RuntimeWarning, module='nni')  # nni 3.0 lists torch's Buffer as no module
    from ..campaign.config import ConfigSetup
    from ..campaign.tasks import Task
    from ..campaign.work import WorkFolder
    from ..errors import NniDnaError
    from ..imports import add_to_path
    from ..retrain.ranks import take_payload
    from .retrain import checkpoint_of, untrained
    from .running import use_threads
    parameters = take_payload()
    try:
        work, task = WorkFolder(Path(parameters['work'])), Task.from_parameters(parameters)
        add_to_path(work.code_folder())
        setup = ConfigSetup.from_record(work.record(), work.root)
        use_threads(setup.settings)
        setup.train_winner(untrained(setup, task.details['architecture']), lambda value: None, checkpoint_of(work, task))
    except NniDnaError as error:
        print(f'{type(error).__name__}: {error}', file=sys.stderr)
        return 1
    return 0


if __name__ == '__main__':
    sys.exit(main())
