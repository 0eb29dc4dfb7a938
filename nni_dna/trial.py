"""``python -m nni_dna.trial``: one task of a campaign as an NNI trial, on whatever training service NNI runs it."""

from __future__ import annotations

import json
import logging
import sys
import warnings
from pathlib import Path

from .leaving import leave_quickly

__all__ = ['main']


def main() -> int:
    """Ask NNI for a task, do it, and report. Returns the exit code."""
    warnings.filterwarnings('ignore', category=RuntimeWarning, module='nni')  # nni 3.0 lists torch's Buffer as no module
    logger = logging.getLogger('nni_dna')
    logger.setLevel(logging.INFO)
    logger.addHandler(logging.StreamHandler(sys.stdout))
    leave_quickly()
    import nni
    from nni.runtime.trial_command_channel import local_legacy
    # NNI's own readers unpickle what asks for it, and whoever reaches its REST interface may add a trial with any parameters.
    usual, nni.load, local_legacy.load = nni.load, json.loads, json.load
    parameters = nni.get_next_parameter()
    nni.load = usual
    if not parameters or 'task' not in parameters:
        print('nni_dna.trial: expected an NNI trial of a DNA experiment, got no task; start it with '
              '`nnictl create --config config.yml`', file=sys.stderr)
        return 2

    from .assignment import take_assignment
    from .campaign.config import ConfigSetup
    from .campaign.tasks import Task
    from .campaign.work import WorkFolder
    from .errors import NniDnaError
    from .phases import run_task
    try:
        work = Path(parameters['work'])  # all that is taken from these: they may be another trial's
        parameters = take_assignment(work, nni.get_experiment_id(), nni.get_trial_id())
        if parameters is None:
            return 0
        folder = WorkFolder(work)
        metric = run_task(folder, Task.from_parameters(parameters), nni.report_intermediate_result,
                          lambda: ConfigSetup.from_record(folder.record(), work))
    except NniDnaError as error:
        print(f'{type(error).__name__}: {error}', file=sys.stderr)
        return 1
    nni.report_final_result(metric)
    return 0


if __name__ == '__main__':
    sys.exit(main())
