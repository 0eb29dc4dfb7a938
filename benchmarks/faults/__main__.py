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
import sys
import tempfile
from pathlib import Path

import hosts
import torch
from nni_cases import killed_dispatchers, killed_managers, killed_trials
from record import HEAD

from nni_dna.campaign.campaign import Campaign
from nni_dna.campaign.config import ConfigSetup
from nni_dna.phases import run_campaign
from nni_dna.settings import read_settings

CASES = {'trials': killed_trials, 'dispatcher': killed_dispatchers, 'manager': killed_managers}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument('--cases', nargs='*', choices=list(CASES), default=list(CASES))
    parser.add_argument('--seed', type=int, default=0, help='of where and when faults happen; the campaign has a seed of its own')
    parser.add_argument('--out', type=Path, help='JSON file of the results')
    arguments = parser.parse_args()
    torch.set_num_threads(1)
    os.environ['OMP_NUM_THREADS'] = '1'
    base = Path(tempfile.mkdtemp(prefix='faults-'))
    undisturbed = base / 'undisturbed'
    run_campaign(Campaign(ConfigSetup(read_settings(hosts.settings(undisturbed), base), {}), Path(__file__).parent))
    print(HEAD, flush=True)
    rows = []
    for name in arguments.cases:
        rows.append(CASES[name](base / name, undisturbed, arguments.seed))
        print(rows[-1], flush=True)
    if arguments.out:
        result = {'command': ' '.join(['python', *sys.argv]), 'python': platform.python_version(), 'torch': torch.__version__,
                  'seed': arguments.seed, 'rows': [row.plain() for row in rows]}
        arguments.out.write_text(json.dumps(result, indent=2) + '\n')


if __name__ == '__main__':
    main()
