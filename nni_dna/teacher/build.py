"""Build the teacher: a network of torchvision or timm, or any module by import path, with random or with given weights."""

from __future__ import annotations

import contextlib
from pathlib import Path

import torch
from torch import nn

from ..errors import NniDnaError, TeacherError, WeightsError
from ..imports import with_num_classes
from ..settings.sections import TeacherSettings
from ..weights import load_weights, plain_loads
from .zoo import builder_of, is_own, pretrained_builder_of

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
    builder = builder_of(settings.name)
    try:
        with contextlib.nullcontext() if is_own(settings.name) else plain_loads():  # what a user's own code reads is theirs
            network = builder(**with_num_classes(builder, settings.args, num_classes))
    except NniDnaError:
        raise
    except Exception as error:
        raise TeacherError(f'teacher.args: building {settings.name!r} with {settings.args!r} failed: '
                           f'{type(error).__name__}: {error}; mend teacher.args, or teacher.name') from error
    if not isinstance(network, nn.Module):
        raise TeacherError(f'teacher.name: expected {settings.name!r} to build an nn.Module, got {type(network).__name__}; '
                           'name a class or function that does')
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
    """torchvision's or timm's best weights of the teacher, downloaded if they are not in their cache.

    Raises
    ------
    WeightsError
        If there are none, or they cannot be downloaded.
    """
    builder = pretrained_builder_of(settings.name)
    if builder is None:
        raise WeightsError(f'teacher.weights: pretrained weights exist for networks of torchvision and timm only, not for '
                           f'{settings.name!r}; give a weights file')
    try:
        with plain_loads():
            return builder(**settings.args)
    except Exception as error:  # no network, no such weights, another number of classes
        raise WeightsError(f'teacher.weights: the pretrained weights of {settings.name!r} could not be loaded: '
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
