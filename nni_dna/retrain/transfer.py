"""Fine-tune a winner on another data set; ``python -m nni_dna.retrain.transfer`` is one of several processes that do."""

from __future__ import annotations

import dataclasses
import hashlib
import json
import sys
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Callable, Mapping

import torch
from torch import nn

from ..campaign.records import TRANSFER, read_record
from ..campaign.winners import find_winner
from ..data import ImageData
from ..errors import DataError, SettingsError, SpaceError, WeightsError, WorkFolderError
from ..files import check_writable, inside, sha256, write_atomically
from ..lightning import seed_all
from ..settings.reader import read_section
from ..settings.sections import DataSettings, RetrainSettings
from ..spaces.build import build_space
from ..spaces.freezing import plain_network
from ..trust import import_from, remember
from ..versions import FORMAT
from ..weights import load_weights, save_weights
from .augmenting import training_batches
from .dropping import check_dropping
from .module import accuracies, train_classifier
from .ranks import other_ranks, process_count, train_along
from .recipes import Recipe, recipe_from

__all__ = ['transfer', 'load_transferred', 'RECORD']

RECORD = 'transfer.json'
"""What the output folder says of itself."""

_WEIGHTS = 'model.safetensors'


def transfer(work: str | Path, output: str | Path, *, data: Mapping[str, Any], rank: int = 1,
             retrain: Mapping[str, Any] | None = None, seed: int = 0,
             report: Callable[[float], None] = lambda value: None) -> dict[str, Any]:
    """Fine-tune a winner on another data set: all its weights, behind a new classifier.

    If it is interrupted, the same call goes on from the last epoch. ``nni_dna.load(output)`` gives the network.

    Parameters
    ----------
    work
        The work folder of a finished experiment.
    output
        A new or empty folder for the weights (``model.safetensors``) and what was measured (``transfer.json``).
    data
        The settings of a ``data`` section; ``image_size``, ``mean`` and ``std`` are the experiment's where they are left out,
        if it has such a section. Nothing is held out.
    rank
        Of the winner; 1 is the best.
    retrain
        The settings of a ``retrain`` section; its recipe is ``transfer`` where it is left out.
    seed
        Of the new classifier, the order of the images and the augmentations.
    report
        Takes the training accuracy after each epoch.

    Returns
    -------
    dict
        What ``transfer.json`` holds: among others ``top1`` and, for more than ten classes, ``top5`` on the test images, from 0
        to 1.

    Raises
    ------
    NniDnaError
        Before the training, if the winner, the settings, the data or the output folder cannot be used.
    """
    folder = Path(output).resolve()
    asked: dict[str, Any] = {'work': str(Path(work).resolve()), 'rank': rank, 'data': _absolute(data),
                             'retrain': dict(retrain or {}), 'seed': seed}
    parts = _Parts.of(**asked)
    checkpoint = folder / f'training-{parts.digest()}.ckpt'
    _claim(folder, checkpoint)
    curve: list[float] = []

    def keep(value: float) -> None:
        curve.append(value)
        report(value)

    with other_ranks(process_count(parts.recipe.devices), 'nni_dna.retrain.transfer', {**asked, 'checkpoint': str(checkpoint)}):
        parts.train(keep, checkpoint)
    found = accuracies(parts.network, parts.data.task.num_classes, parts.data.test())
    save_weights(parts.network, folder / _WEIGHTS)
    record = {'version': FORMAT, **parts.record(), **found, 'training_accuracy': curve, 'weights': _WEIGHTS,
              'sha256': sha256(folder / _WEIGHTS)}
    write_atomically(folder / RECORD, json.dumps(record, indent=2).encode() + b'\n')
    remember(folder / RECORD)
    checkpoint.unlink(missing_ok=True)
    return record


def load_transferred(folder: Path) -> nn.Module:
    """The network that `transfer` left in a folder, in evaluation mode.

    Raises
    ------
    WeightsError, WorkFolderError, ResultError
        If the weights are not those that were written, or the record of the transfer is damaged or of another version.
    """
    record = read_record(folder / RECORD, TRANSFER, WorkFolderError, 'restore it, or transfer the winner again')
    file = inside(folder, record['weights'])
    if not file.is_file() or sha256(file) != record['sha256']:
        raise WeightsError(f'{file} is missing or not the file that the transfer wrote (its SHA-256 differs)')
    space = record['space']
    import_from(folder / RECORD, [space['name']], record['code'])
    network = plain_network(build_space(space['name'], space['args'], record['classes_before']), record['architecture'])
    _renew_classifier(network, record['classes_before'], record['num_classes'])
    load_weights(network, file, str(folder))
    return network.eval()


@dataclass(kw_only=True, eq=False)
class _Parts:
    """All that a transfer needs, checked; each process makes its own."""

    source: dict[str, Any]
    settings: DataSettings
    data: ImageData
    recipe: Recipe
    seed: int
    network: nn.Module

    @staticmethod
    def of(work: str, rank: int, data: Mapping[str, Any], retrain: Mapping[str, Any], seed: int) -> _Parts:
        winner = find_winner(work, rank)
        network, before = winner.network(), winner.ranking['num_classes']
        written = winner.folder.record()
        recipe = recipe_from(read_section(RetrainSettings, {'recipe': 'transfer', **retrain}, Path.cwd(), 'retrain'))
        check_dropping(recipe, network)
        given = {name: value for name, value in written['settings'].get('data', {}).items()
                 if name in ('image_size', 'mean', 'std')}
        settings = read_section(DataSettings, {**given, **data}, Path.cwd(), 'data')
        images = ImageData(dataclasses.replace(settings, holdout_per_class=0), seed)
        classes = images.task.num_classes
        _check_labels(images)
        seed_all(seed)
        _renew_classifier(network, before, classes)
        _check_size(network, images, classes)
        source = {'work': work, 'rank': rank, 'architecture': winner.entry['architecture'], 'space': written['settings']['space'],
                  'code': str(winner.folder.code_folder()), 'classes_before': before, 'weights_before': winner.files()}
        return _Parts(source=source, settings=settings, data=images, recipe=recipe, seed=seed, network=network)

    def record(self) -> dict[str, Any]:
        """As JSON-able data."""
        found = {**self.source, 'num_classes': self.data.task.num_classes, 'data': dataclasses.asdict(self.settings),
                 'recipe': dataclasses.asdict(self.recipe), 'seed': self.seed}
        return json.loads(json.dumps(found, default=str))

    def digest(self) -> str:
        """What the result depends on, in short."""
        return hashlib.sha256(json.dumps(self.record(), sort_keys=True).encode()).hexdigest()[:16]

    def train(self, report: Callable[[float], None], checkpoint: Path) -> None:
        """What each process does."""
        seed_all(self.seed)
        train_classifier(self.network, self.data.task.num_classes, self.recipe, training_batches(self.data, self.recipe), report,
                         checkpoint)


def _absolute(data: Mapping[str, Any]) -> dict[str, Any]:
    """With paths that mean the same to every process."""
    return {name: str(value.resolve()) if isinstance(value, Path) else value for name, value in data.items()}


def _renew_classifier(network: nn.Module, before: int, classes: int) -> None:
    """Put a fresh Linear layer in the place of the last one."""
    layers = [(name, module) for name, module in network.named_modules() if isinstance(module, nn.Linear)]
    name, last = layers[-1] if layers else ('', None)
    if last is None or last.out_features != before:
        got = f'{name} with {last.out_features} outputs' if last is not None else 'no Linear layer'
        raise SpaceError(f'rank: expected a network whose last Linear layer has the {before} outputs of its classes, got {got}; '
                         'such a network cannot be given another classifier')
    parent, _, child = name.rpartition('.')
    setattr(network.get_submodule(parent), child, nn.Linear(last.in_features, classes, bias=last.bias is not None))


def _check_labels(images: ImageData) -> None:
    task = images.task
    if task.num_classes < 2:
        raise DataError(f'data.name: expected images of at least two classes, got {task.num_classes}')
    labels = getattr(task.test, 'targets', None)  # other data sets would have to be read as a whole
    if labels is not None and not all(0 <= int(label) < task.num_classes for label in labels):
        raise DataError(f'data.name: expected test images of the {task.num_classes} classes of the training images (0 to '
                        f'{task.num_classes - 1}), got labels from {min(map(int, labels))} to {max(map(int, labels))}')


@torch.no_grad()
def _check_size(network: nn.Module, images: ImageData, classes: int) -> None:
    try:
        given = tuple(network.eval()(torch.zeros(1, *images.image_shape)).shape)
    except Exception as error:  # whatever the user's forward raises
        raise SettingsError(f'data.image_size: the network cannot run on images of shape {images.image_shape}: '
                            f'{type(error).__name__}: {error}; change data.image_size, or data.mean and data.std, which say how '
                            'many channels there are') from error
    if given != (1, classes):
        raise SpaceError(f'rank: expected a network that gives (1, {classes}) for an image, got {given}')


def _claim(folder: Path, checkpoint: Path) -> None:
    """See that the output folder is new, empty, or that of this transfer interrupted; make it."""
    inside = [file for file in folder.iterdir() if not file.name.startswith('.training-')] if folder.is_dir() else []
    if folder.exists() and not folder.is_dir() or inside and checkpoint not in inside:
        raise WorkFolderError('--output: expected a new or empty folder, or that of the same transfer interrupted, got '
                              f'{folder}, which holds something else; name another')
    check_writable(folder, '--output')
    folder.mkdir(parents=True, exist_ok=True)


def main() -> int:
    """Train along. Returns the exit code."""
    def prepare(checkpoint: str, **asked: Any) -> Callable[[], None]:
        parts = _Parts.of(**asked)
        return lambda: parts.train(lambda value: None, Path(checkpoint))

    return train_along(prepare)


if __name__ == '__main__':
    sys.exit(main())
