"""Is the winner better than chance, and than its teacher? The digits experiment, and random architectures under the same limits.

For each seed: the whole campaign of examples/digits in this process, then random architectures, drawn uniformly among those
that keep the limits, retrained the same way with the same seed, and the teacher, all on the same test images. Prints a table and
writes it as JSON.

    python benchmarks/winner_vs_random.py --seeds 0 1 2 --random 5
"""

from __future__ import annotations

import argparse
import json
import statistics
import tempfile
from pathlib import Path

import numpy as np
import yaml

from nni_dna.campaign.campaign import Campaign
from nni_dna.campaign.config import ConfigSetup
from nni_dna.campaign.setup import Setup
from nni_dna.campaign.tasks import TEACHER_ID
from nni_dna.phases import run_campaign
from nni_dna.phases.retrain import train_architecture
from nni_dna.retrain import accuracy
from nni_dna.settings import read_settings
from nni_dna.weights import load_weights

ROOT = Path(__file__).parent.parent


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument('--config', type=Path, default=ROOT / 'examples' / 'digits' / 'config.yml')
    parser.add_argument('--seeds', type=int, nargs='+', default=[0, 1, 2])
    parser.add_argument('--random', type=int, default=5)
    parser.add_argument('--out', type=Path, help='JSON file of the results')
    arguments = parser.parse_args()
    config = yaml.safe_load(arguments.config.read_text())['tuner']['classArgs']
    rows = []
    for seed in arguments.seeds:
        with tempfile.TemporaryDirectory() as folder:
            settings = read_settings({**config, 'seed': seed, 'work': f'{folder}/work'}, arguments.config.parent)
            campaign = Campaign(ConfigSetup(settings, {}))
            run_campaign(campaign)
            ranking = campaign.work.read_ranking()
            assert ranking is not None
            drawn = [train_architecture(campaign.setup, architecture, lambda value: None)[1]
                     for architecture in draw(campaign.setup, arguments.random, seed)]
            setup = campaign.setup
            teacher = setup.untrained_teacher()
            load_weights(teacher, campaign.work.root / TEACHER_ID / 'teacher.safetensors', 'teacher')
            taught = accuracy(teacher, setup.num_classes, setup.data.test())
        rows.append({'seed': seed, 'winners': [entry['accuracy'] for entry in ranking['ranking']], 'random': drawn,
                     'teacher': taught})
        print(line(rows[-1]), flush=True)
    winners = [row['winners'][0] for row in rows]
    print(f'mean: winner {statistics.fmean(winners):.4f}, random '
          f'{statistics.fmean(value for row in rows for value in row["random"]):.4f}, teacher '
          f'{statistics.fmean(row["teacher"] for row in rows):.4f}')
    if arguments.out:
        seeds = ' '.join(map(str, arguments.seeds))
        command = f'python benchmarks/winner_vs_random.py --seeds {seeds} --random {arguments.random}'
        arguments.out.write_text(json.dumps({'command': command, 'rows': rows}, indent=2) + '\n')


def draw(setup: Setup, count: int, seed: int) -> list[dict]:
    """Architectures drawn uniformly among those that keep the limits."""
    rng, search, found = np.random.default_rng(seed), setup.settings.search, []
    while len(found) < count:
        paths = tuple(int(rng.integers(block.paths)) for block in setup.chain.blocks)
        cost = setup.costs.total(setup.chain, paths)
        if cost.params <= (search.max_params or np.inf) and cost.madds <= (search.max_madds or np.inf):
            found.append(setup.chain.architecture(paths))
    return found


def line(row: dict) -> str:
    """One seed as text."""
    return (f'seed {row["seed"]}: winner {row["winners"][0]:.4f}; ranks ' + ' '.join(f'{value:.4f}' for value in row['winners'])
            + f'; random mean {statistics.fmean(row["random"]):.4f}: ' + ' '.join(f'{value:.4f}' for value in row['random'])
            + f'; teacher {row["teacher"]:.4f}')


if __name__ == '__main__':
    main()
