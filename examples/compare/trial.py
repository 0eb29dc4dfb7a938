"""A trial of the comparison: one search with one strategy, and the training of its choice. NNI says which strategy and seed.

Without NNI: ``python examples/compare/trial.py --strategy dna --seed 0 --task digits --work FOLDER``.
"""

import argparse
import logging
import resource
import sys
import time
from importlib.metadata import version
from pathlib import Path
from typing import Any

HERE = Path(__file__).resolve().parent
sys.path[:0] = [str(HERE), str(HERE.parent / 'python_api')]  # where strategies, teacher and layers are

import quiet  # noqa: F401, E402  (before NNI: see there)

import nni  # noqa: E402
import torch  # noqa: E402
from nni.runtime.env_vars import trial_env_vars  # noqa: E402
from nni.runtime.trial_command_channel import (TrialCommandChannel, get_default_trial_command_channel,  # noqa: E402
                                               set_default_trial_command_channel)
from nni_dna.compare import Record, load_record, write_record  # noqa: E402
from nni_dna.lightning import seed_all  # noqa: E402
from nni_dna.retrain import accuracy, train_classifier, training_batches  # noqa: E402
from nni_dna.retrain.recipes import quick  # noqa: E402

from counting import ImagesSeen  # noqa: E402
from searches import STRATEGIES, search  # noqa: E402
from tasks import TASKS, Task, SeededTask  # noqa: E402


class Reporter(TrialCommandChannel):
    """Reports of this trial, to NNI. What the search reports to NNI by itself, such as each short training's accuracy, is not
    this trial's and ends here."""

    def __init__(self) -> None:
        self._outer = get_default_trial_command_channel()
        received = self._outer.receive_parameter() or {}
        self.parameters: dict[str, Any] = received.get('parameters') or {}
        self._id = received.get('parameter_id')
        self._sent = 0
        set_default_trial_command_channel(self)
        nni.get_next_parameter()    # evaluators report only where there is a parameter

    def receive_parameter(self) -> Any:
        return {'parameter_id': 0, 'parameters': {}}

    def send_metric(self, type: str, parameter_id: int | None, trial_job_id: str, sequence: int, value: Any) -> None:
        """Overlook it."""

    def progress(self, value: float) -> None:
        """An intermediate result of this trial."""
        self._outer.send_metric('PERIODICAL', self._id, trial_env_vars.NNI_TRIAL_JOB_ID, self._sent, value)
        self._sent += 1

    def final(self, value: float) -> None:
        """The final result of this trial."""
        self._outer.send_metric('FINAL', self._id, trial_env_vars.NNI_TRIAL_JOB_ID, 0, value)


def compare(name: str, seed: int, task_name: str, task: Task, work: Path, reporter: Reporter) -> Record:
    """Search, train the choice, and write the record; or read it, where a trial before has written it.

    Parameters
    ----------
    name
        Of the strategy.
    seed
        Of everything random.
    task_name, task
        What to compare on.
    work
        The comparison's folder.
    reporter
        Takes the search's progress.
    """
    trained = SeededTask(task, seed)
    known = load_record(work, name, seed, trained.settings())
    if known is not None:
        return known
    seed_all(seed)
    seen = ImagesSeen()
    start, cpu = time.monotonic(), time.process_time()
    architecture = search(name, trained, seen, reporter.progress, work / 'scratch' / f'{name}-{seed}')
    searched, cpu = time.monotonic(), time.process_time() - cpu
    memory = peak_memory()

    network = trained.network(architecture)
    recipe = quick(**task.recipe)
    train_classifier(network, trained.num_classes, recipe, training_batches(trained.data, recipe), lambda value: None)
    madds = trained.madds(architecture)
    record = Record(
        strategy=name, seed=seed, task=task_name, settings=trained.settings(), architecture=architecture,
        accuracy=accuracy(network, trained.num_classes, trained.test_loader()),
        params=sum(weight.numel() for weight in network.parameters()), madds=madds, over_limit=madds > task.max_madds,
        search_seconds=searched - start, search_cpu_seconds=cpu, retrain_seconds=time.monotonic() - searched,
        images_seen=seen.count, peak_memory=memory,
        versions={**{package: version(package) for package in ('torch', 'nni', 'pytorch-lightning')}, 'device': device()})
    write_record(work, record)
    return record


def peak_memory() -> int:
    """Bytes: of the GPU where there is one, else the whole process's, libraries included."""
    if torch.cuda.is_available():
        return torch.cuda.max_memory_allocated()
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024


def device() -> str:
    """What it runs on."""
    return torch.cuda.get_device_name() if torch.cuda.is_available() else f'CPU, {torch.get_num_threads()} thread(s)'


def main() -> None:
    """Do one trial."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument('--task', choices=list(TASKS), default='digits')
    parser.add_argument('--work', type=Path, default=HERE / 'work')
    parser.add_argument('--strategy', choices=STRATEGIES, help='where no NNI experiment says which')
    parser.add_argument('--seed', type=int, default=0)
    parser.add_argument('--threads', type=int, default=1, help='on the CPU')
    args = parser.parse_args()
    torch.set_num_threads(args.threads)
    nni.silence_stdout()    # a line per architecture, and, in evolution, a warning per architecture over the limit
    logging.getLogger('nni.nas.strategy').setLevel(logging.ERROR)
    reporter = Reporter()
    chosen = {'strategy': args.strategy, 'seed': args.seed, **reporter.parameters}
    if chosen['strategy'] is None:
        parser.error('--strategy: expected one where no NNI experiment gives it')
    record = compare(chosen['strategy'], int(chosen['seed']), args.task, TASKS[args.task], args.work.resolve(), reporter)
    reporter.final(record.accuracy)
    print(f'{record.strategy}, seed {record.seed}: accuracy {record.accuracy:.4f}, {record.madds:,} multiply-adds, '
          f'{record.search_seconds:.0f} s, {record.images_seen:,} images')


if __name__ == '__main__':
    main()
