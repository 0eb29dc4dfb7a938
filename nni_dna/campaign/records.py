"""What the JSON files of a work folder hold, as far as anything is read from them: whoever damages one is told so by its name."""

from __future__ import annotations

import json
import math
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Callable, Mapping

from ..errors import NniDnaError, ResultError
from ..versions import check_version

__all__ = ['GROUPS', 'OVER_TRAINING', 'RANKING', 'RESULT', 'SETTINGS', 'TRANSFER', 'check_event', 'check_record', 'losses_of',
           'read_record']


@dataclass(frozen=True)
class _Is:
    """A value, and the words for it."""

    words: str
    holds: Callable[[Any], bool]


@dataclass(frozen=True)
class _Each:
    """A list, or a mapping of texts, of such values."""

    of: type
    kind: Any


@dataclass(frozen=True)
class _Maybe:
    """A field that may be missing, or such a value."""

    kind: Any


def _number(value: Any) -> bool:
    return isinstance(value, (int, float)) and not isinstance(value, bool)


_TEXT = _Is('text', lambda x: isinstance(x, str))
_TASK = _Is('PHASE/NAME', lambda x: isinstance(x, str) and bool(x.partition('/')[2]))
_MAPPING = _Is('a mapping', lambda x: isinstance(x, dict))
_NUMBER = _Is('a number', _number)
_FINITE = _Is('a finite number', lambda x: _number(x) and math.isfinite(x))
_COUNT = _Is('a whole number of at least 0', lambda x: _number(x) and isinstance(x, int) and x >= 0)
_NUMBER_OR_NONE = _Is('a number, or null', lambda x: x is None or _number(x))
_TEXT_OR_NONE = _Is('text, or null', lambda x: x is None or isinstance(x, str))
_TEXTS = _Each(dict, _TEXT)

_EVENT = {'event': _TEXT, 'time': _FINITE}

_EVENTS: dict[str, dict[str, Any]] = {
    'opened': {'finished': _Each(list, _TEXT), 'tasks': _Each(dict, _COUNT), 'phase': _TEXT},
    'started': {'task': _TASK, 'parameter_id': _COUNT},
    'finished': {'task': _TASK, 'basis': _TEXT, 'sha256': _TEXT, 'value': _NUMBER, 'phase': _Maybe(_TEXT)},
    'failed': {'task': _TASK, 'error': _TEXT},
    'ranked': {'architectures': _COUNT, 'phase': _Maybe(_TEXT), 'results': _Maybe(_TEXTS), 'costs': _Maybe(_TEXT),
               'retrain': _Maybe(_Each(list, _TEXT))},
}
"""By the kind of an event, what is read from it; another kind may hold anything."""

SETTINGS = {'settings': _MAPPING, 'search_space': _MAPPING, 'code': _TEXT, 'nni_dna': _Maybe(_TEXT)}

_DETAILS = {'accuracy': _Maybe(_NUMBER_OR_NONE), 'losses': _Maybe(_Each(dict, _Each(list, _NUMBER_OR_NONE)))}

RESULT = {'task': _TEXT, 'basis': _TEXT, 'value': _NUMBER, 'details': _DETAILS, 'files': _TEXTS}

_FOUND = {'architecture': _MAPPING, 'rating': _FINITE, 'accuracy': _NUMBER_OR_NONE}

_RANKED = {**_FOUND, 'rank': _COUNT, 'weights': _TEXT_OR_NONE, 'block_ratings': _Each(list, _FINITE), 'params': _COUNT,
           'madds': _COUNT, 'memory': _Maybe(_NUMBER), 'latency_ms': _Maybe(_NUMBER)}

RANKING = {'limits': _Each(dict, _NUMBER_OR_NONE), 'architectures_in_space': _COUNT,
           'paths': _Each(dict, {'rated': _COUNT, 'of': _COUNT}), 'block_weights': _Maybe(_Each(dict, _FINITE)),
           'num_classes': _COUNT, 'ranking': _Each(list, _RANKED)}

OVER_TRAINING = {'epochs': _Each(list, {**_FOUND, 'epoch': _COUNT})}

TRANSFER = {'space': {'name': _TEXT, 'args': _MAPPING}, 'code': _TEXT, 'architecture': _MAPPING, 'weights': _TEXT,
            'sha256': _TEXT, 'classes_before': _COUNT, 'num_classes': _COUNT}

GROUPS = {'teacher': _Each(list, _FINITE), 'supernets': _Each(dict, _FINITE)}


def read_record(file: Path, kind: dict[str, Any], error: type[NniDnaError], remedy: str) -> dict[str, Any]:
    """A JSON file of the work folder, once it is found to be of this version and to hold what is read from it.

    Parameters
    ----------
    file
        Which.
    kind
        What it must hold.
    error
        What to raise.
    remedy
        What to do where it is missing or damaged.

    Raises
    ------
    NniDnaError
        Of the kind ``error``, if it cannot be read, is of another version, or holds something else.
    """
    try:
        found = json.loads(file.read_bytes())
    except (OSError, ValueError, RecursionError) as problem:
        raise error(f'{file}: expected a JSON file of a work folder, got {type(problem).__name__}: {problem}; '
                    f'{remedy}') from problem
    return check_record(found, kind, str(file), error, remedy)


def check_record(found: Any, kind: dict[str, Any], place: str, error: type[NniDnaError], remedy: str) -> dict[str, Any]:
    """See that what was read is of this version and holds what is needed; the parameters are those of `read_record`."""
    if not isinstance(found, dict):
        raise error(f'{place}: expected a mapping, got {type(found).__name__}; {remedy}')
    check_version(found.get('version'), place, error, remedy)
    problem = _problem(found, kind, '')
    if problem:
        raise error(f'{place}: {problem}; {remedy}')
    return found


def losses_of(result: Mapping[str, Any]) -> dict[str, list[float | None]]:
    """By supernet the loss of each epoch, from the result of a distillation.

    Raises
    ------
    ResultError
        If the result is another task's.
    """
    if not result['details'].get('losses'):
        raise ResultError(f'{result["task"]}: expected the losses of its supernets in its result.json, got none; delete it and '
                          'start the experiment again, which runs this task again')
    return result['details']['losses']


def check_event(event: dict[str, Any], place: str, error: type[NniDnaError], remedy: str) -> None:
    """See that an event of the journal holds what is read from it; the parameters are those of `read_record`."""
    check_record(event, _EVENT, place, error, remedy)
    if event['event'] in _EVENTS:
        check_record(event, _EVENTS[event['event']], place, error, remedy)


def _problem(value: Any, kind: Any, place: str) -> str:
    """The first thing that is wrong with a value; empty if nothing is."""
    if isinstance(kind, _Is):
        return '' if kind.holds(value) else f'{place}: expected {kind.words}, got {value!r:.80}'
    if isinstance(kind, _Maybe):
        return _problem(value, kind.kind, place)
    wanted = dict if isinstance(kind, dict) else kind.of
    if not isinstance(value, wanted):
        return f'{place}: expected a {"mapping" if wanted is dict else "list"}, got {value!r:.80}'
    if isinstance(kind, _Each):
        parts = [(part, kind.kind, f'{place}[{key}]') for key, part in (value.items() if wanted is dict else enumerate(value))]
    else:
        missing = [name for name, part in kind.items() if name not in value and not isinstance(part, _Maybe)]
        if missing:
            return f'{place or "the file"}: expected the field {missing[0]!r}, which is missing'
        parts = [(value[name], part, f'{place}.{name}' if place else name) for name, part in kind.items() if name in value]
    return next(filter(None, (_problem(*part) for part in parts)), '')
