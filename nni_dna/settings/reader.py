"""From a mapping to checked settings and back. Every mistake is reported with its place, what is valid, and what came."""

from __future__ import annotations

import dataclasses
import typing
from pathlib import Path
from typing import Any, Mapping, TypeVar

from schema import SchemaError

from ..errors import SettingsError, nearest
from .presets import with_preset
from .rules import Rule, validate
from .sections import CommonSettings, DataSettings, Settings, TeacherSettings

__all__ = ['read_settings', 'read_section', 'absolute_weights', 'to_plain', 'with_defaults', 'differences']

T = TypeVar('T')
TeacherT = TypeVar('TeacherT', bound=TeacherSettings)

_HOLDOUTS = ['holdout_per_class', 'holdout_images', 'holdout_folder']


def read_settings(raw: Any, base: Path) -> Settings:
    """Check a mapping of settings.

    Parameters
    ----------
    raw
        What ``tuner.classArgs`` holds.
    base
        Folder that relative paths are relative to (that of the YAML file).

    Raises
    ------
    SettingsError
        If a setting is missing, unknown, of the wrong type or out of range.
    """
    whole = with_preset(raw) if isinstance(raw, Mapping) else raw
    settings = read_section(Settings, whole, base, 'classArgs')
    settings = dataclasses.replace(settings, teacher=absolute_weights(settings.teacher, base),
                                   data=_one_holdout(settings.data, whole['data']))
    for name in ('mean', 'std'):
        if len(getattr(settings.data, name)) not in (1, 3):
            raise SettingsError(f'data.{name}: expected one number, or one for each of 3 channels, '
                                f'got {getattr(settings.data, name)}')
    if min(settings.data.std) <= 0:
        raise SettingsError(f'data.std: expected numbers above 0, got {settings.data.std}')
    return settings


def _one_holdout(data: DataSettings, raw: Mapping[str, Any]) -> DataSettings:
    """The section with one way to hold images out: that which was given, or the default."""
    given = [name for name in _HOLDOUTS if raw.get(name) is not None]
    if len(given) > 1 or not given and 'holdout_per_class' in raw:
        raise SettingsError(f'data.{(given or _HOLDOUTS)[-1]}: expected one of {", ".join(_HOLDOUTS)}, got '
                            f'{" and ".join(given) or "none"}; name one of them')
    return dataclasses.replace(data, holdout_per_class=None) if given and given != _HOLDOUTS[:1] else data


def absolute_weights(teacher: TeacherT, base: Path) -> TeacherT:
    """The section with the path of a weights file made absolute."""
    if teacher.weights in ('train', 'pretrained'):
        return teacher
    return dataclasses.replace(teacher, weights=str((base / teacher.weights).resolve()))


def read_section(section: type[T], raw: Any, base: Path, place: str) -> T:
    """Check a mapping of settings against a dataclass whose fields have rules.

    Parameters
    ----------
    section
        The dataclass.
    raw
        The mapping.
    base
        Folder that relative paths are relative to.
    place
        Name of the section, for error messages.

    Raises
    ------
    SettingsError
        If a setting is missing, unknown, of the wrong type or out of range.
    """
    if not isinstance(raw, Mapping):
        raise SettingsError(f'{place}: expected a mapping, got {raw!r:.200}; mend {place}')
    fields = {field.name: field for field in dataclasses.fields(section)}  # type: ignore[arg-type]
    kinds = typing.get_type_hints(section)
    for key in raw:
        if key not in fields:
            raise SettingsError(f'{_join(place, key)}: unknown setting; {nearest(key, fields)}')
    values = {}
    for name, field in fields.items():
        here = _join(place, name)
        if name not in raw:
            if field.default is dataclasses.MISSING and field.default_factory is dataclasses.MISSING:
                raise SettingsError(f'{here}: this setting is missing; expected {_expects(field)}; set {here}')
        elif dataclasses.is_dataclass(kinds[name]):
            values[name] = read_section(kinds[name], raw[name], base, here)
        else:
            values[name] = _value(field.metadata['rule'], raw[name], base, here)
    return section(**values)


def _value(rule: Rule, raw: Any, base: Path, place: str) -> Any:
    try:
        value = validate(rule, raw)
    except SchemaError:
        raise SettingsError(f'{place}: expected {rule.expects}, got {raw!r:.200}; mend {place}') from None
    return (base / value).resolve() if rule.path and value is not None else value


def _join(place: str, key: Any) -> str:
    return str(key) if place in ('classArgs', 'DNA') else f'{place}.{key}'


def _expects(field: dataclasses.Field) -> str:
    rule = field.metadata.get('rule')
    return rule.expects if rule else 'a mapping'


def to_plain(settings: CommonSettings) -> dict[str, Any]:
    """The settings as JSON-able data, all paths absolute, all defaults written out; `read_settings` takes it back."""
    def plain(value: Any) -> Any:
        if dataclasses.is_dataclass(value) and not isinstance(value, type):
            return {field.name: plain(getattr(value, field.name)) for field in dataclasses.fields(value)}
        return str(value) if isinstance(value, Path) else value
    return plain(settings)


def with_defaults(plain: Mapping[str, Any]) -> dict[str, Any]:
    """Settings that `to_plain` gave before some of them existed, with what these do where they are not given."""
    whole = dict(plain)
    for name, kind in typing.get_type_hints(Settings).items():
        if dataclasses.is_dataclass(kind) and isinstance(plain.get(name), Mapping):
            given = {field.name: field.default for field in dataclasses.fields(kind)}
            defaults = {key: value for key, value in given.items() if value is not dataclasses.MISSING}
            whole[name] = {**defaults, **plain[name]}
    return whole


def differences(old: Mapping[str, Any], new: Mapping[str, Any], place: str = '') -> list[str]:
    """What differs between two plain settings, a line each: ``distill.epochs: 20 became 10``."""
    lines = []
    for key in sorted(set(old) | set(new)):
        here = f'{place}.{key}' if place else key
        before, after = old.get(key), new.get(key)
        if isinstance(before, Mapping) and isinstance(after, Mapping):
            lines += differences(before, after, here)
        elif before != after:
            lines.append(f'{here}: {before!r} became {after!r}')
    return lines
