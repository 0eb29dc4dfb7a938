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
from nni_cases import (bad_numbers, hanging_trials, killed_dispatchers, killed_managers, killed_trials, short_memory,
                       two_experiments)
from record import HEAD
from soak import soak

CASES = {'trials': killed_trials, 'dispatcher': killed_dispatchers, 'manager': killed_managers, 'cut': cut_files,
         'disk': full_disk, 'read-only': read_only, 'hang': hanging_trials, 'numbers': bad_numbers, 'memory': short_memory,
         'two': two_experiments, 'clock': clock_jumps}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument('--cases', nargs='*', choices=list(CASES), default=list(CASES))
    parser.add_argument('--soak', type=float, metavar='SECONDS',
                        help='also run about 200 trials, of whose processes one is killed every so many seconds, on average')
    parser.add_argument('--seed', type=int, default=0, help='of where and when faults happen; the campaign has a seed of its own')
    parser.add_argument('--out', type=Path, help='JSON file of the results')
    arguments = parser.parse_args()
    torch.set_num_threads(1)
    os.environ['OMP_NUM_THREADS'] = '1'
    base = Path(tempfile.mkdtemp(prefix='faults-'))
    found: dict[str, Any] = {}
    if arguments.soak:
        found['soak'] = soak(base / 'soak', arguments.soak, arguments.seed)
    if arguments.cases:
        undisturbed = hosts.run_undisturbed(base / 'undisturbed')
        print(HEAD, flush=True)
        found['rows'] = []
    for name in arguments.cases:
        rows = CASES[name](base / name, undisturbed, arguments.seed)
        for row in rows if isinstance(rows, list) else [rows]:
            print(row, flush=True)
            found['rows'].append(row if isinstance(row, str) else row.plain())
    if arguments.out:
        before = json.loads(arguments.out.read_text()) if arguments.out.is_file() else {}  # the soak may be run by itself
        result = {**before, 'python': platform.python_version(), 'torch': torch.__version__, 'seed': arguments.seed, **found}
        arguments.out.write_text(json.dumps(result, indent=2) + '\n')


if __name__ == '__main__':
    main()
