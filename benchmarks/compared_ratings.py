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
from nni.nas.evaluator import FunctionalEvaluator  # noqa: E402
from nni.nas.execution import SequentialExecutionEngine  # noqa: E402
from nni.nas.space import SimplifiedModelSpace  # noqa: E402
from nni_dna import DNA  # noqa: E402
from nni_dna.campaign.rated import Rated, read_rated  # noqa: E402
from nni_dna.campaign.work import WorkFolder  # noqa: E402
from nni_dna.compare import read_records  # noqa: E402
from nni_dna.lightning import seed_all  # noqa: E402
from nni_dna.retrain import train_classifier  # noqa: E402
from nni_dna.retrain.recipes import quick  # noqa: E402
from nni_dna.weights import save_weights  # noqa: E402
from scipy.stats import kendalltau  # noqa: E402

from tasks import TASKS, SeededTask  # noqa: E402
from teacher import SmallResNet  # noqa: E402


def block_ratings(rated: Rated, architecture: Mapping[str, Any]) -> list[float]:
    """The rating of an architecture's path in each block."""
    found = []
    for block, table in zip(rated.costs.chain.blocks, rated.ratings):
        paths = [cell.architecture(path) for cell in block.cells for path in range(cell.paths)]
        found.append(float(table[next(number for number, path in enumerate(paths) if path.items() <= architecture.items())]))
    return found


def leave_untrained(network: torch.nn.Module) -> None:
    """The winner is not needed."""
    nni.report_final_result(0.0)


def search(task: SeededTask, distill: Mapping[str, Any], folder: Path) -> tuple[Rated, dict[str, Any]]:
    """As `examples/compare` searches with DNA: all ratings, and the choice."""
    settings = task.task
    seed_all(task.seed)
    teacher = SmallResNet(task.num_classes, **settings.teacher)
    recipe = quick(epochs=settings.teacher_epochs, lr=3e-3, label_smoothing=0.0)
    train_classifier(teacher, task.num_classes, recipe, task.train_loader(), lambda value: None)
    save_weights(teacher, folder / 'teacher.safetensors')
    strategy = DNA({'name': SmallResNet, 'args': settings.teacher, 'weights': str(folder / 'teacher.safetensors')},
                   max_madds=settings.max_madds, top_k=1, work=folder / 'work', seed=task.seed,
                   distill={'epochs': settings.budget - settings.teacher_epochs, 'tasks': 'joint', **distill},
                   train_dataloaders=task.train_loader(), val_dataloaders=task.held_loader())
    strategy(SimplifiedModelSpace.from_model(task.space(), FunctionalEvaluator(leave_untrained)),
             SequentialExecutionEngine())
    return read_rated(WorkFolder(folder / 'work')), next(iter(strategy.list_models(limit=1))).sample


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
    with TemporaryDirectory() as folder:
        rated, found = search(task, args.distill, Path(folder))
    seconds = time.process_time() - start
    accuracies = [record.accuracy for record in records]
    ratings = [block_ratings(rated, record.architecture) for record in records]
    print(f'{seconds:.0f} s of CPU time; chosen, with {task.madds(found):,} multiply-adds: {" ".join(map(str, found.values()))}')
    for number, one in enumerate(zip(*ratings), start=1):
        print(f'block {number}: tau {kendalltau([-rating for rating in one], accuracies)[0]:.3f}')
    print(f'all blocks: tau {kendalltau([-sum(one) for one in ratings], accuracies)[0]:.3f}, {len(records)} choices')


if __name__ == '__main__':
    main()
