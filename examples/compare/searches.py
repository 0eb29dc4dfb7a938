"""One search with each strategy: from a task with a seed to an architecture."""

import shutil
from pathlib import Path
from typing import Any, Callable, Mapping

import nni
import pytorch_lightning as pl
import torch
from nni.nas import strategy as nas
from nni.nas.evaluator import FunctionalEvaluator
from nni.nas.execution import SequentialExecutionEngine
from nni.nas.space import RawFormatModelSpace, SimplifiedModelSpace
from nni_dna import DNA
from nni_dna.errors import SettingsError
from nni_dna.retrain import train_classifier
from nni_dna.retrain.recipes import quick
from nni_dna.weights import save_weights
from torch.optim.swa_utils import update_bn

from counting import ImagesSeen
from multi_trial import RatingEngine, best_by, multi_trial_strategy
from one_shot import make_evaluator, one_shot_strategy
from tasks import SeededTask
from teacher import SmallResNet

ONE_SHOT = ('darts', 'enas', 'gumbel', 'proxyless', 'random_oneshot')
MULTI_TRIAL = ('random', 'regularized_evolution', 'tpe', 'policy_rl')
DNA_PATHS = {'dna': 1, 'dna_3_paths': 3}    # of each block, in each step of the distillation
STRATEGIES = (*DNA_PATHS, *ONE_SHOT, *MULTI_TRIAL)

# On twice the limit. With 1 (tried on the digits) DARTS chose networks of 1.7 times the limit.
_PENALTY = 3.0

Report = Callable[[float], None]


def search(name: str, task: SeededTask, seen: ImagesSeen, report: Report, scratch: Path) -> dict[str, Any]:
    """Search with a strategy; return its choice.

    Parameters
    ----------
    name
        One of ``STRATEGIES``.
    task
        What every strategy gets.
    seen
        Counts the images of the training steps.
    report
        Takes the search's progress.
    scratch
        A folder for what DNA keeps while it searches.
    """
    if name in DNA_PATHS:
        return search_dna(task, seen, report, scratch, DNA_PATHS[name])
    return search_one_shot(name, task, seen, report) if name in ONE_SHOT else search_multi_trial(name, task, seen, report)


def search_dna(task: SeededTask, seen: ImagesSeen, report: Report, scratch: Path, paths: int) -> dict[str, Any]:
    """Train a teacher, then distil, rate and search. Its training is part of the budget; more paths see no more images.

    The progress is the teacher's training accuracy, then minus the loss of the distillation.
    """
    shutil.rmtree(scratch, ignore_errors=True)  # a trial that was killed left it: going on would make the search look short
    scratch.mkdir(parents=True)
    found = teach_and_search(task, report, scratch, {'paths_per_step': paths})
    # What reads a few images more, such as BatchNorm's statistics, trains nothing.
    seen.count += task.budget
    shutil.rmtree(scratch)
    return found


def teach_and_search(task: SeededTask, report: Report, folder: Path, distill: Mapping[str, Any]) -> dict[str, Any]:
    """DNA's search and its teacher's training; return the choice. DNA's work folder stays, as ``work``.

    Parameters
    ----------
    task
        What every strategy gets.
    report
        Takes the progress.
    folder
        An empty folder.
    distill
        Settings of the distillation, besides its length.
    """
    settings = task.task
    teacher = SmallResNet(task.num_classes, **settings.teacher)
    recipe = quick(epochs=settings.teacher_epochs, lr=3e-3, label_smoothing=0.0)
    train_classifier(teacher, task.num_classes, recipe, task.train_loader(), report)
    save_weights(teacher, folder / 'teacher.safetensors')
    strategy = DNA({'name': SmallResNet, 'args': settings.teacher, 'weights': str(folder / 'teacher.safetensors')},
                   max_madds=settings.max_madds, top_k=1, work=folder / 'work', seed=task.seed,
                   distill={'epochs': settings.budget - settings.teacher_epochs, 'tasks': 'joint', **distill},
                   train_dataloaders=task.train_loader(), val_dataloaders=task.held_loader())
    engine = SequentialExecutionEngine()
    engine.register_model_event_callback('intermediate_metric', lambda event: report(-event.metric))
    strategy(SimplifiedModelSpace.from_model(task.space(), FunctionalEvaluator(_leave_untrained)), engine)
    return next(iter(strategy.list_models(limit=1))).sample


def _leave_untrained(network: torch.nn.Module) -> None:
    """DNA trains its winners by the experiment's evaluator; here all choices are trained alike, after the search."""
    nni.report_final_result(0.0)


class Progress(pl.Callback):
    """Reports the accuracy of a supernet's training, and counts its images.

    Parameters
    ----------
    report
        Takes the accuracy after each epoch.
    """

    def __init__(self, report: Report) -> None:
        self.report = report

    def on_train_epoch_end(self, trainer: pl.Trainer, pl_module: pl.LightningModule) -> None:
        accuracy = pl_module.training_module.metrics['acc']
        self.report(accuracy.compute().item())
        accuracy.reset()


def search_one_shot(name: str, task: SeededTask, seen: ImagesSeen, report: Report) -> dict[str, Any]:
    """Train a supernet with one of NNI's one-shot strategies. The progress is its training accuracy, epoch by epoch."""
    held = len(task.held_loader().dataset)
    # DARTS and its kin go over the smaller set again until they are through the larger one.
    per_epoch = {'random_oneshot': task.images, 'enas': task.images + held}.get(name, 2 * max(task.images, held))
    strategy = one_shot_strategy(name.removesuffix('_oneshot'), (task.profiler, task.task.max_madds), _PENALTY)
    # The supernet's own validation would be in no strategy's service.
    evaluator = make_evaluator(task.train_loader(), task.held_loader(), task.budget // per_epoch, task.num_classes,
                               [seen, Progress(report)], _accelerator(), limit_val_batches=0)
    strategy(RawFormatModelSpace.from_model(task.space(), evaluator), SequentialExecutionEngine())
    if name == 'random_oneshot':
        return best_of_supernet(strategy, task)
    found = next(strategy.list_models()).sample
    return {label: found[label] for label in task.space().simplify()}    # Proxyless exports labels of its own besides


def best_of_supernet(strategy: nas.RandomOneShot, task: SeededTask) -> dict[str, Any]:
    """The best path that NNI's evolution finds in a trained supernet; no path is trained, so no image counts.

    NNI's documentation proposes a second experiment on the same space; NNI 3.0 fails at that where a convolution has no bias.
    So the supernet itself is asked: after ``resample`` it computes what one architecture computes. As its authors have it
    (Guo et al., 2020), a path's BatchNorm statistics are taken anew, from a batch of training images.
    """
    device = 'cuda' if torch.cuda.is_available() else 'cpu'
    supernet = strategy.supernet.to(device)
    calibration = [next(iter(task.train_loader()))[0].to(device)]
    ratings = 0

    def rate(architecture: dict[str, Any]) -> float:
        nonlocal ratings
        ratings += 1
        for module in strategy.oneshot_module.supernet_modules():
            module.resample(memo=architecture)
        update_bn(calibration, supernet)
        supernet.eval()
        with torch.no_grad():
            right = [(supernet(images.to(device)).argmax(1).cpu() == labels).sum().item()
                     for images, labels in task.held_loader()]
        return sum(right) / len(task.held_loader().dataset)

    def budget_left() -> bool:
        return ratings < task.task.candidates

    evolution, reward = multi_trial_strategy('regularized_evolution', task.seed, task.task.candidates)
    return best_by(evolution, task.space(), RatingEngine(rate, budget_left, lambda found: within(task, found), reward))


def search_multi_trial(name: str, task: SeededTask, seen: ImagesSeen, report: Report) -> dict[str, Any]:
    """Train one architecture after another, each for a few epochs. The progress is the best accuracy so far.

    All are rated on the held-out images.
    """
    cost = task.task.short_epochs * task.images
    best = 0.0

    def rate(architecture: dict[str, Any]) -> float:
        nonlocal best
        evaluator = make_evaluator(task.train_loader(), task.held_loader(), task.task.short_epochs, task.num_classes, [seen],
                                   _accelerator())
        evaluator.evaluate(task.network(architecture))
        accuracy = evaluator.trainer.callback_metrics['val_acc'].item()
        best = max(best, accuracy)
        report(best)
        return accuracy

    def budget_left() -> bool:
        return seen.count + cost <= task.budget

    if cost > task.budget:
        raise SettingsError(f'budget: expected at least short_epochs, {task.task.short_epochs}, got {task.task.budget}; raise it')
    strategy, reward = multi_trial_strategy(name, task.seed, task.budget // cost)
    return best_by(strategy, task.space(), RatingEngine(rate, budget_left, lambda found: within(task, found), reward))


def within(task: SeededTask, architecture: dict[str, Any]) -> bool:
    """Whether an architecture keeps the limit."""
    return task.madds(architecture) <= task.task.max_madds


def _accelerator() -> str:
    return 'gpu' if torch.cuda.is_available() else 'cpu'
