"""NNI search-space definitions, both ways: of any model space, and as a restriction of a model space's labels.

``{"label": {"_type": "choice", "_value": [...]}}`` is what NNI's tuners read. A label that a definition leaves out stays
unrestricted.
"""

from __future__ import annotations

import json
from typing import Any, Mapping, Sequence

from nni.nas.nn.pytorch import ModelSpace

from ..errors import SpaceError, nearest
from .chain import Architecture
from .labels import Values, labels_of

__all__ = ['to_definition', 'restrict', 'recalled']

_KINDS = ('choice', 'randint', 'quniform')
_LARGEST = 100_000  # of a range's numbers and values: no model space lists as many


def to_definition(space: ModelSpace) -> dict[str, dict[str, Any]]:
    """The NNI search-space definition of a model space, whether block-wise search can cut it or not.

    Raises
    ------
    SpaceError
        If a choice cannot be written in such a file, or two choices of one label differ.
    """
    definition = {}
    try:
        choices = space.simplify()
    except ValueError as error:
        raise SpaceError(f'{type(space).__name__}: {error}; give each its own label, or make one of them of both') from error
    for label, mutable in choices.items():
        try:
            definition[label] = mutable.as_legacy_dict()
        except NotImplementedError as error:
            raise SpaceError(f'label {label!r} of {type(space).__name__} cannot be written in a search-space file: {mutable!r} '
                             'is no choice of one among listed values, which is all that NNI can write') from error
    return definition


def restrict(space: ModelSpace, definition: Mapping[str, Any] | None) -> dict[str, list[Any]]:
    """The values that an NNI search-space definition leaves to each label.

    Parameters
    ----------
    space
        The model space.
    definition
        An NNI search-space definition with choices among values (``choice``, ``randint``, ``quniform``); empty or None
        restricts nothing.

    Returns
    -------
    dict
        Label to values, in the order of the model space, whatever the order in the definition.

    Raises
    ------
    SpaceError
        If the definition is malformed, or has a label or value that the model space does not have (the nearest known ones
        are named), or leaves a label without a value; or the model space has a value that results cannot be written with.
    """
    known = labels_of(space)
    _check_writable(known)
    if not definition:
        return known
    if not isinstance(definition, Mapping):
        raise SpaceError('search space: expected a mapping of label to {"_type": "choice", "_value": [...]}, '
                         f'got {type(definition).__name__}')
    values = dict(known)
    for label, spec in definition.items():
        if label not in known:
            raise SpaceError(f'search space: the model space has no label {label!r}; {nearest(label, known)}')
        values[label] = _kept(label, _listed(label, spec), known)
    return values


def recalled(architecture: Mapping[str, Any], values: Values) -> Architecture:
    """An architecture that was read from JSON, with the space's own values: JSON has lists for its tuples."""
    return {label: next((own for own in values.get(label, ()) if _text(own) == _text(value)), value)
            for label, value in architecture.items()}


def _check_writable(values: Values) -> None:
    for label, listed in values.items():
        try:
            json.dumps(listed)
        except (TypeError, ValueError):
            raise SpaceError(f'label {label!r}: expected values that JSON can hold (numbers, texts, true, false, and lists of '
                             f'them), got {listed!r}; choose between names of them, or by a LayerChoice') from None


def _kept(label: str, listed: Sequence[Any], known: Values) -> list[Any]:
    if not listed:
        raise SpaceError(f'search space, label {label!r}: expected at least one value, got an empty list; '
                         'leave the label out to keep all of its values')
    texts = {_text(value) for value in known[label]}
    for value in listed:
        if _text(value) not in texts:
            raise SpaceError(f'search space, label {label!r}: the model space has no value {value!r}; '
                             f'{nearest(value, known[label])}')
    wanted = {_text(value) for value in listed}
    return [value for value in known[label] if _text(value) in wanted]


def _listed(label: str, spec: Any) -> list[Any]:
    """The values that one entry of a definition lists."""
    if not isinstance(spec, Mapping) or spec.get('_type') not in _KINDS or not isinstance(spec.get('_value'), list):
        raise SpaceError(f'search space, label {label!r}: expected {{"_type": "choice", "_value": [...]}} (or randint, '
                         f'quniform), got {spec!r}')
    value = spec['_value']
    if spec['_type'] == 'choice':
        return value
    wanted = 2 if spec['_type'] == 'randint' else 3
    if len(value) != wanted or not all(isinstance(v, (int, float)) and abs(v) <= _LARGEST for v in value):
        raise SpaceError(f'search space, label {label!r}: expected {wanted} numbers for {spec["_type"]}, of at most '
                         f'{_LARGEST:,}, got {value!r}; list the values by "_type": "choice"')
    if spec['_type'] == 'randint':  # the upper end is not included
        return list(range(int(value[0]), int(value[1])))
    low, high, step = value
    if step <= 0 or (high - low) / step > _LARGEST:
        raise SpaceError(f'search space, label {label!r}: expected a positive step of quniform, and at most {_LARGEST:,} of '
                         f'them, got {step!r}; list the values by "_type": "choice"')
    found = [min(max(i * step, low), high) for i in range(round(low / step), round(high / step) + 1)]
    return [int(v) if float(v).is_integer() else v for v in dict.fromkeys(found)]


def _text(value: Any) -> str:
    """Equal for values that are written alike in JSON; 2 and 2.0 are the same number."""
    if isinstance(value, float) and value.is_integer():
        value = int(value)
    return json.dumps(value, sort_keys=True, default=str)
