"""``python -m nni_dna.phases.rank``: one of the processes that retrain a winner beside the trial's own."""

from __future__ import annotations

import sys
from pathlib import Path

__all__ = ['main']


def main() -> int:
    """Train along, report and write nothing. Returns the exit code."""
    from ..campaign.config import ConfigSetup
    from ..campaign.work import WorkFolder
    from ..errors import NniDnaError
    from ..imports import add_to_path
    from ..retrain.ranks import take_payload
    from .retrain import untrained
    from .running import use_threads
    payload, ready = take_payload()
    try:
        work = WorkFolder(Path(payload['work']))
        add_to_path(work.code_folder())
        setup = ConfigSetup.from_record(work.record(), work.root)
        use_threads(setup.settings)
        network = untrained(setup, payload['architecture'])
        ready()
        setup.train_winner(network, lambda value: None, payload['checkpoint'] and Path(payload['checkpoint']))
    except NniDnaError as error:
        print(f'{type(error).__name__}: {error}', file=sys.stderr)
        return 1
    return 0


if __name__ == '__main__':
    sys.exit(main())
