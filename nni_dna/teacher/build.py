"""Build the teacher: a torchvision classifier or any module by import path."""

from __future__ import annotations

from pathlib import Path

import torch
from torch import nn
from torchvision import models

from ..errors import NniDnaError, TeacherError, WeightsError, nearest
from ..imports import import_object, is_import_path, with_num_classes
from ..settings.sections import TeacherSettings
from ..weights import load_weights

__all__ = ['build_network', 'check_classifier', 'load_pretrained', 'ready_teacher']


def build_network(settings: TeacherSettings, num_classes: int) -> nn.Module:
    """The teacher's network with random weights.

    Parameters
    ----------
    settings
        The ``teacher`` section.
    num_classes
        Of the task; used unless ``settings.args`` says otherwise.

    Raises
    ------
    TeacherError
        If there is no such network or it cannot be built.
    """
    known = models.list_models(module=models)
    if settings.name in known:
        builder = models.get_model_builder(settings.name)
    elif is_import_path(settings.name):
        builder = import_object(settings.name, 'teacher.name')
    else:
        raise TeacherError(f'teacher.name: torchvision has no classifier {settings.name!r}, and it is no import path; '
                           f'{nearest(settings.name, known)}')
    try:
        network = builder(**with_num_classes(builder, settings.args, num_classes))
    except NniDnaError:
        raise
    except Exception as error:
        raise TeacherError(f'teacher.args: building {settings.name!r} with {settings.args!r} failed: '
                           f'{type(error).__name__}: {error}') from error
    if not isinstance(network, nn.Module):
        raise TeacherError(f'teacher.name: expected {settings.name!r} to build an nn.Module, got {type(network).__name__}')
    return network


@torch.no_grad()
def check_classifier(network: nn.Module, num_classes: int, image_shape: tuple[int, ...]) -> None:
    """See that a network can be trained on the task.

    Parameters
    ----------
    network
        The teacher with random weights.
    num_classes
        Of the task.
    image_shape
        (channels, height, width).

    Raises
    ------
    TeacherError
        If in training mode it does not give a value for every class.
    """
    try:
        output = network.train()(torch.zeros(2, *image_shape))
    except Exception as error:
        raise TeacherError(f'teacher.weights: the teacher cannot be trained on images of shape {image_shape}: '
                           f'{type(error).__name__}: {error}; raise data.image_size, or give a weights file') from error
    finally:
        network.eval()
    if not isinstance(output, torch.Tensor) or output.shape != (2, num_classes):
        got = tuple(output.shape) if isinstance(output, torch.Tensor) else type(output).__name__
        raise TeacherError(f'teacher.name: to be trained, the teacher must give (batch, {num_classes}) in training mode, got '
                           f'{got}; change teacher.args (num_classes, aux_logits), or give a weights file')


def load_pretrained(settings: TeacherSettings) -> nn.Module:
    """torchvision's best weights of the teacher, downloaded by torchvision if they are not in its cache.

    Raises
    ------
    WeightsError
        If torchvision has none, or they cannot be downloaded.
    """
    if settings.name not in models.list_models(module=models):
        raise WeightsError(f'teacher.weights: pretrained weights exist for torchvision classifiers only, not for '
                           f'{settings.name!r}; give a weights file')
    try:
        return models.get_model(settings.name, weights='DEFAULT', **settings.args)
    except Exception as error:  # no network, no such weights, another number of classes
        raise WeightsError(f'teacher.weights: torchvision\'s weights of {settings.name!r} could not be loaded: '
                           f'{type(error).__name__}: {error}; download them elsewhere and give the file') from error


def ready_teacher(settings: TeacherSettings, num_classes: int) -> nn.Module:
    """The teacher with the weights that ``settings.weights`` names.

    Parameters
    ----------
    settings
        The ``teacher`` section; its weights are not ``train``.
    num_classes
        Of the task.
    """
    if settings.weights == 'pretrained':
        return load_pretrained(settings)
    network = build_network(settings, num_classes)
    load_weights(network, Path(settings.weights), 'teacher.weights')
    return network
