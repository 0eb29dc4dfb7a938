"""The settings of the strategy. Data, model space and recipe come from the experiment, so they are not among them."""

from __future__ import annotations

import dataclasses
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Mapping

from nni.nas.oneshot.pytorch.strategy import MutationHook

from ..errors import SettingsError
from ..settings import CommonSettings, read_mapping
from ..settings.reader import absolute_weights, read_section
from ..settings.rules import COUNT, NAMES, optional, setting
from ..settings.distillation import DistillSettings

__all__ = ['StrategyDistillSettings', 'StrategySettings', 'read_strategy_settings', 'read_definition', 'read_hooks',
           'import_path']


@dataclass(frozen=True, kw_only=True)
class StrategyDistillSettings(DistillSettings):
    """Block-wise distillation."""

    epochs: int | None = setting(optional(COUNT), default=None)
    """Epochs per supernet. Nothing takes ``max_epochs`` of the evaluator's trainer."""


@dataclass(frozen=True, kw_only=True)
class StrategySettings(CommonSettings):
    """All settings of the strategy."""

    distill: StrategyDistillSettings = StrategyDistillSettings()
    blocks: list[str] | None = setting(optional(NAMES), default=None)
    """Names of the last module of each block. Nothing leaves it to the space, or to the resolutions."""


def read_strategy_settings(raw: Mapping[str, Any], base: Path) -> StrategySettings:
    """Check the strategy's settings.

    Parameters
    ----------
    raw
        The arguments of DNA. The teacher may be given by its name or as a class or function that builds it.
    base
        Folder that relative paths are relative to.

    Raises
    ------
    SettingsError
        If a setting is missing, unknown, of the wrong type or out of range.
    """
    teacher = raw['teacher']
    if not isinstance(teacher, Mapping):
        teacher = {'name': teacher}
    if callable(teacher.get('name')):
        teacher = {**teacher, 'name': import_path(teacher['name'], 'teacher')}
    settings = read_section(StrategySettings, {**raw, 'teacher': teacher}, base, 'DNA')
    return dataclasses.replace(settings, teacher=absolute_weights(settings.teacher, base))


def import_path(thing: Any, option: str) -> str:
    """Where a class or function can be imported from.

    Raises
    ------
    SettingsError
        If it is defined inside another one, or is none.
    """
    name = getattr(thing, '__qualname__', '')
    if not name:
        raise SettingsError(f'{option}: expected a class or function of a module, got an instance of {type(thing).__name__}; '
                            'give the class or function that builds it')
    if '<' in name or '.' in name:
        raise SettingsError(f'{option}: expected a class or function of a module, got {thing!r}; define it at the top of a '
                            'module')
    return f'{thing.__module__}:{name}'


def read_definition(search_space: Any) -> Mapping[str, Any]:
    """An NNI search-space definition, given as it is or as its file; empty where nothing is given.

    Raises
    ------
    SettingsError
        If it is anything else.
    """
    if isinstance(search_space, (str, Path)):
        return read_mapping(Path(search_space), 'search_space: ')
    if search_space is not None and not isinstance(search_space, Mapping):
        raise SettingsError(f'search_space: expected a mapping of labels to their values, or its file, got {search_space!r}; '
                            'leave it out for the whole model space')
    return search_space or {}


def read_hooks(given: Any) -> list[MutationHook]:
    """The mutator's further hooks.

    Raises
    ------
    SettingsError
        If they are no list of functions.
    """
    if not isinstance(given, (list, tuple)) or not all(map(callable, given)):
        raise SettingsError(f'mutation_hooks: expected a list of functions, got {given!r}; leave it out for none')
    return list(given)
