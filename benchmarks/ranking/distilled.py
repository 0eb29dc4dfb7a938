"""Networks of equal cost, trained with labels alone and with the teacher's knowledge: the winners, and standard ones.

The knowledge of the whole teacher is passed on as by Hinton, Vinyals and Dean, "Distilling the Knowledge in a Neural Network",
2015: 0.9 T^2 KL(teacher || student) at temperature T = 4, and 0.1 of the cross entropy with the labels.
"""

from __future__ import annotations

import json
from functools import partial
from pathlib import Path
from typing import Any, Callable, Mapping, Sequence

import numpy as np
import torch
from networks import SmallResNet
from torch import nn
from torchvision.models import mobilenet_v2

from images import CifarImages
from nni_dna.campaign.ranking import rank
from nni_dna.cost.counter import count
from nni_dna.files import write_atomically
from nni_dna.lightning import make_trainer, seed_all
from nni_dna.retrain import Recipe, accuracy, quick, train_classifier
from nni_dna.retrain.module import ClassifierTraining
from nni_dna.settings.sections import SearchSettings
from nni_dna.spaces.freezing import plain_network
from nni_dna.teacher.build import ready_teacher
from study import StudySetup, rate_all

__all__ = ['ONE_CELL', 'STANDARD', 'Distillation', 'knowledge_loss', 'of_cells', 'train_networks', 'winners_of']

TEMPERATURE, SHARE = 4.0, 0.9

STANDARD: dict[str, Callable[[], nn.Module]] = {
    'SmallResNet, width 4': lambda: SmallResNet(10, width=4, depth=2),
    'MobileNetV2, 0.1x': lambda: mobilenet_v2(num_classes=10, width_mult=0.1),
}
"""Networks that nobody searched, made as narrow as the multiply-adds ask for."""

ONE_CELL = ('2x8', '2x16', '2x24')
"""Where a block has one cell: two layers each, widths that grow as usual."""


def knowledge_loss(student: torch.Tensor, teacher: torch.Tensor, labels: torch.Tensor) -> torch.Tensor:
    """Of (images, classes) logits and (images,) labels; smaller is better."""
    soft = nn.functional.kl_div((student / TEMPERATURE).log_softmax(1), (teacher / TEMPERATURE).log_softmax(1),
                                reduction='batchmean', log_target=True)
    return SHARE * TEMPERATURE ** 2 * soft + (1 - SHARE) * nn.functional.cross_entropy(student, labels)


class Distillation(ClassifierTraining):
    """Training by a recipe in which a teacher speaks too.

    Parameters
    ----------
    teacher
        Trained; it does not change.
    *training
        As for `ClassifierTraining`.
    """

    def __init__(self, teacher: nn.Module, *training: Any):
        super().__init__(*training)
        self.teacher = teacher.eval().requires_grad_(False)

    def training_step(self, batch: tuple[torch.Tensor, torch.Tensor], batch_idx: int) -> torch.Tensor:
        images, labels = batch
        with torch.no_grad():
            told = self.teacher.eval()(images)
        logits = self.network(images)
        self.accuracy.update(logits, labels)
        loss = knowledge_loss(logits, told, labels)
        self._sum += loss.detach()
        return loss


def train(network: nn.Module, recipe: Recipe, images: CifarImages, teacher: nn.Module | None) -> float:
    """Train a network with or without a teacher; its accuracy on the test images."""
    batches, classes = images.distillation(), images.task.num_classes
    if teacher is None:
        train_classifier(network, classes, recipe, batches, lambda value: None)
    else:
        network.train()
        make_trainer(recipe.epochs).fit(Distillation(teacher, network, classes, recipe, lambda value: None, batches), batches)
    return accuracy(network.cpu(), classes, images.test())


def of_cells(setup: StudySetup, cells: Sequence[str], tables: Sequence[np.ndarray]) -> list[np.ndarray]:
    """The ratings in which each block has but the cell of this name: the others are never chosen."""
    kept = []
    for block, name, ratings in zip(setup.chain.blocks, cells, tables):
        index = [cell.name for cell in block.cells].index(name)
        first = block.first_path(index)
        chosen = slice(first, first + block.cells[index].paths)
        kept.append(np.full_like(ratings, np.inf))
        kept[-1][chosen] = ratings[chosen]
    return kept


def winners_of(setup: StudySetup, most_madds: float) -> dict[str, dict[str, Any]]:
    """The best architectures under the limit by their ratings: the first three, and the first with one cell per block."""
    tables = rate_all(setup)
    first = rank(setup.chain, setup.costs, tables, SearchSettings(top_k=3, max_madds=most_madds))
    one = rank(setup.chain, setup.costs, of_cells(setup, ONE_CELL, tables), SearchSettings(top_k=1, max_madds=most_madds))
    return {**{f'DNA, rank {place}': entry['architecture'] for place, entry in enumerate(first, 1)},
            'DNA, one cell per block': one[0]['architecture']}


def train_networks(setup: StudySetup, images: CifarImages, chosen: Mapping[str, Mapping[str, Any]], file: Path, epochs: int,
                   seed: int) -> None:
    """Train architectures and the standard networks, each with and without the teacher; go on where it was stopped.

    Parameters
    ----------
    setup
        The study.
    images
        To train on and to test with.
    chosen
        The architectures by name.
    file
        Keeps the accuracies by network, and by ``labels`` or ``teacher``.
    epochs, seed
        Of each training.
    """
    made: dict[str, Callable[[], nn.Module]] = {name: partial(_plain, setup, architecture)
                                                for name, architecture in chosen.items()} | STANDARD
    teacher = ready_teacher(setup.settings.teacher, setup.num_classes)
    found = json.loads(file.read_text()) if file.is_file() else {}
    found['the teacher'] = {**cost_of(lambda: SmallResNet(10, **setup.settings.teacher.args), images),
                            'itself': round(accuracy(teacher, setup.num_classes, images.test()), 4)}
    for name, make in made.items():
        entry = found.setdefault(name, {**cost_of(make, images), 'architecture': chosen.get(name)})
        for by, speaker in (('labels', None), ('teacher', teacher)):
            if by not in entry:
                seed_all(seed)
                network = make()
                images.seed = seed
                entry[by] = round(train(network, quick(epochs=epochs), images, speaker), 4)
                write_atomically(file, json.dumps(found).encode() + b'\n')
                print(f'{name}, by {by}, seed {seed}: {entry[by]:.4f}', flush=True)


def _plain(setup: StudySetup, architecture: Mapping[str, Any]) -> nn.Module:
    return plain_network(setup.build_space(), dict(architecture))


def cost_of(make: Callable[[], nn.Module], images: CifarImages) -> Mapping[str, int]:
    """Parameters and multiply-adds of a network."""
    with torch.device('meta'):
        cost, _ = count(make(), images.image_shape)
    return {'params': cost.params, 'madds': cost.madds}
