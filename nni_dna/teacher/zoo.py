"""The collections that a teacher can be named from: torchvision's classifiers, and timm's models as ``timm:NAME``."""

from __future__ import annotations

from typing import Any, Callable

from torch import nn
from torchvision import models

from ..errors import TeacherError, nearest
from ..imports import import_object, is_import_path

__all__ = ['builder_of', 'is_own', 'pretrained_builder_of']

_TIMM = 'timm:'


def builder_of(name: str) -> Callable[..., nn.Module]:
    """What builds a network with random weights, from arguments of its own and ``num_classes``.

    Parameters
    ----------
    name
        As ``teacher.name`` holds it.

    Raises
    ------
    TeacherError, SettingsError
        If there is no such network.
    """
    if name.startswith(_TIMM):
        return _timm_builder(name, pretrained=False)
    known = models.list_models(module=models)
    if name in known:
        return models.get_model_builder(name)
    if is_import_path(name):
        return import_object(name, 'teacher.name')
    raise TeacherError(f'teacher.name: torchvision has no classifier {name!r}, and it is no import path; '
                       f'{nearest(name, known)}; write {_TIMM}NAME for a model of timm')


def is_own(name: str) -> bool:
    """Whether a name is the import path of the user's own network."""
    return not name.startswith(_TIMM) and is_import_path(name)


def pretrained_builder_of(name: str) -> Callable[..., nn.Module] | None:
    """What builds a network with its collection's best weights, downloaded if they are not in its cache; None if there are none.

    Raises
    ------
    TeacherError
        If there is no such network.
    """
    if name.startswith(_TIMM):
        return _timm_builder(name, pretrained=True)
    if name in models.list_models(module=models):
        return lambda **args: models.get_model(name, weights='DEFAULT', **args)
    return None


def _timm_builder(name: str, pretrained: bool) -> Callable[..., nn.Module]:
    model = name.removeprefix(_TIMM)
    try:
        import timm
    except ImportError as error:
        raise TeacherError(f"teacher.name: {name!r} needs the package timm, which cannot be imported ({error}); install it: pip "
                           "install 'nni_dna[timm]'") from error
    if not timm.is_model(model):
        raise TeacherError(f'teacher.name: timm has no model {model!r}; {nearest(model.partition(".")[0], timm.list_models())}')

    def build(**args: Any) -> nn.Module:
        return timm.create_model(model, pretrained=pretrained, **args)
    return build
