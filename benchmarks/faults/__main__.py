"""What do faults cost? A small campaign is disturbed in one way after another; each must end as the undisturbed one does.

For each case: how often the fault happened, how many tasks were finished before the last time, how many of these were lost, how
many trials were repeated, whether the ranking and all ratings are those of the undisturbed campaign, and the longest time from a
fault to the end of the tasks that it met.

    python -W ignore benchmarks/faults --out benchmarks/data/faults.json
"""

from __future__ import annotations

import argparse
import json
import os
import platform
import tempfile
from pathlib import Path
from typing import Any

import hosts
import torch
from file_cases import clock_jumps, cut_files, full_disk, read_only
from nas_cases import killed_nas_experiments
from nni_cases import (bad_numbers, hanging_trials, killed_dispatchers, killed_managers, killed_trials, short_memory,
                       two_experiments)
from record import HEAD
from soak import soak

CASES = {'trials': killed_trials, 'dispatcher': killed_dispatchers, 'manager': killed_managers,
         'nas': killed_nas_experiments, 'cut': cut_files, 'disk': full_disk, 'read-only': read_only, 'hang': hanging_trials,
         'numbers': bad_numbers, 'memory': short_memory, 'two': two_experiments, 'clock': clock_jumps}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument('--cases', nargs='*', choices=list(CASES), default=list(CASES))
    parser.add_argument('--soak', type=float, metavar='SECONDS',
                        help='also run a campaign of many trials, of whose processes one is killed every so many seconds')
    parser.add_argument('--tasks', type=int, default=200, help='tasks of that campaign')
    parser.add_argument('--seed', type=int, default=0, help='of where and when faults happen; the campaign has a seed of its own')
    parser.add_argument('--out', type=Path, help='JSON file of the results')
    arguments = parser.parse_args()
    torch.set_num_threads(1)
    os.environ['OMP_NUM_THREADS'] = '1'
    base = Path(tempfile.mkdtemp(prefix='faults-'))
    found: dict[str, Any] = {}
    rows: dict[str, Any] = {}
    if arguments.soak:
        found['soak'] = {'seed': arguments.seed, **soak(base / 'soak', arguments.soak, arguments.tasks, arguments.seed)}
        if arguments.out:
            _write(arguments.out, found)
    if arguments.cases:
        undisturbed = hosts.run_undisturbed(base / 'undisturbed')
        print(HEAD, flush=True)
    for name in arguments.cases:
        measured = CASES[name](base / name, undisturbed, arguments.seed)
        for row in measured if isinstance(measured, list) else [measured]:
            print(row, flush=True)
            if not isinstance(row, str):
                rows[row.case] = row.plain()
        if arguments.out:
            _write(arguments.out, {**found, 'rows': rows})


def _write(file: Path, found: dict[str, Any]) -> None:
    """Write the results; those of other cases that the file has stay."""
    before = json.loads(file.read_text()) if file.is_file() else {}
    rows = {**before.get('rows', {}), **found.get('rows', {})}
    result = {**before, 'python': platform.python_version(), 'torch': torch.__version__, **found, 'rows': rows}
    file.write_text(json.dumps(result, indent=2) + '\n')


if __name__ == '__main__':
    main()
