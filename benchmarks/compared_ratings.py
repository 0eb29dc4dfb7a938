"""Do DNA's ratings order the choices of a comparison as accuracies do? One more seed, other settings of the distillation.

Example: ``python benchmarks/compared_ratings.py examples/compare/work_cifar10_short --seed 5 --distill '{"sampling": "fair"}'``
"""

import argparse
import json
import sys
import time
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any, Mapping

ROOT = Path(__file__).resolve().parent.parent
sys.path[:0] = [str(ROOT / 'examples' / 'compare'), str(ROOT / 'examples' / 'python_api')]

import quiet  # noqa: F401, E402  (before NNI: see there)

import nni  # noqa: E402
import torch  # noqa: E402
from nni_dna.campaign.rated import Rated, read_rated  # noqa: E402
from nni_dna.campaign.work import WorkFolder  # noqa: E402
from nni_dna.compare import read_records  # noqa: E402
from nni_dna.lightning import seed_all  # noqa: E402
from scipy.stats import kendalltau  # noqa: E402

from searches import teach_and_search  # noqa: E402
from tasks import TASKS, SeededTask  # noqa: E402


def block_ratings(rated: Rated, architecture: Mapping[str, Any]) -> list[float]:
    """The rating of an architecture's path in each block."""
    return [float(table[path]) for table, path in zip(rated.ratings, rated.costs.chain.paths_of(architecture))]


def main() -> None:
    """Search, and compare with the records of the other strategies' and seeds' choices."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument('work', type=Path, help='the folder of a comparison that has ended')
    parser.add_argument('--seed', type=int, default=5, help='one that the comparison has not')
    parser.add_argument('--distill', type=json.loads, default={}, help='settings of the distillation, as JSON')
    args = parser.parse_args()
    torch.set_num_threads(1)
    nni.silence_stdout()    # a line per architecture
    records = [record for record in read_records(args.work.resolve()) if record.strategy != 'dna_3_paths']
    task = SeededTask(TASKS[records[0].task], args.seed)
    start = time.process_time()
    seed_all(task.seed)
    with TemporaryDirectory() as folder:
        found = teach_and_search(task, lambda value: None, Path(folder), args.distill)
        rated = read_rated(WorkFolder(Path(folder) / 'work'))
    seconds = time.process_time() - start
    accuracies = [record.accuracy for record in records]
    ratings = [block_ratings(rated, record.architecture) for record in records]
    print(f'{seconds:.0f} s of CPU time; chosen, with {task.madds(found):,} multiply-adds: {" ".join(map(str, found.values()))}')
    for number, one in enumerate(zip(*ratings), start=1):
        print(f'block {number}: tau {kendalltau([-rating for rating in one], accuracies)[0]:.3f}')
    print(f'all blocks: tau {kendalltau([-sum(one) for one in ratings], accuracies)[0]:.3f}, {len(records)} choices')


if __name__ == '__main__':
    main()
