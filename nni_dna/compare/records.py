"""A comparison's records: one JSON file per strategy and seed."""

from __future__ import annotations

import dataclasses
import json
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Mapping

from ..errors import ResultError, SettingsError, WorkFolderError
from ..files import write_atomically
from ..settings import differences
from ..versions import FORMAT, check_version

__all__ = ['Record', 'load_record', 'read_records', 'write_record']


@dataclass(frozen=True, kw_only=True)
class Record:
    """One search and the training of its choice.

    Attributes
    ----------
    strategy, seed
        Which.
    task, settings
        What it was compared on: a name, and all settings. Records are comparable only where these are equal.
    architecture
        The choice: from a label to its value.
    accuracy
        Of the trained choice on the test images, from 0 to 1.
    params, madds
        Parameters, and multiply-adds for one image.
    over_limit
        Whether the choice has more multiply-adds than allowed.
    search_seconds, search_cpu_seconds
        Wall time and CPU time of the search (a teacher's training included).
    retrain_seconds
        Wall time of the final training.
    images_seen
        Images in the search's training steps (a teacher's training included).
    peak_memory
        Bytes, until the search's end.
    versions
        Of the libraries, and the device.
    """

    strategy: str
    seed: int
    task: str
    settings: Mapping[str, Any]
    architecture: Mapping[str, Any]
    accuracy: float
    params: int
    madds: int
    over_limit: bool
    search_seconds: float
    search_cpu_seconds: float
    retrain_seconds: float
    images_seen: int
    peak_memory: int
    versions: Mapping[str, str]


_KINDS: dict[str, tuple[type, ...]] = {
    'str': (str,), 'int': (int,), 'float': (int, float), 'bool': (bool,), 'Mapping[str, Any]': (dict,),
    'Mapping[str, str]': (dict,)}
_AT_LEAST_ZERO = ('params', 'madds', 'search_seconds', 'search_cpu_seconds', 'retrain_seconds', 'images_seen', 'peak_memory')


def _file(work: Path, strategy: str, seed: int) -> Path:
    return work / 'records' / f'{strategy}-{seed}.json'


def write_record(work: Path, record: Record) -> None:
    """Write a record, whole or not at all.

    Parameters
    ----------
    work
        The comparison's folder; made where it is not there.
    record
        What to write.
    """
    path = _file(work, record.strategy, record.seed)
    path.parent.mkdir(parents=True, exist_ok=True)
    content = {'version': FORMAT, **dataclasses.asdict(record)}
    write_atomically(path, json.dumps(content, indent=1).encode())


def load_record(work: Path, strategy: str, seed: int, settings: Mapping[str, Any]) -> Record | None:
    """The record of a strategy and seed; None where there is none yet.

    Parameters
    ----------
    work
        The comparison's folder.
    strategy, seed
        Which.
    settings
        Those that the record must have been made with.

    Raises
    ------
    ResultError
        If the file is damaged.
    SettingsError
        If it was made with other settings.
    """
    path = _file(work, strategy, seed)
    if not path.exists():
        return None
    record = _read(path)
    lines = differences(record.settings, json.loads(json.dumps(settings)))
    if lines:
        raise SettingsError(f'{path} was made with other settings: {"; ".join(lines)}; take another work folder, or delete '
                            f'{path.parent}')
    return record


def read_records(work: Path) -> list[Record]:
    """All records of a comparison, by strategy and seed.

    Parameters
    ----------
    work
        The comparison's folder.

    Raises
    ------
    WorkFolderError
        If there is no record.
    ResultError
        If a file is damaged, or not all were made with the same settings.
    """
    paths = sorted((work / 'records').glob('*.json'))
    if not paths:
        raise WorkFolderError(f'expected the work folder of a comparison, with a file per search in {work / "records"}, got '
                              'none; name the folder that the trials write to (--work of examples/compare/trial.py), or wait '
                              'for the first to end')
    records = [_read(path) for path in paths]
    for path, record in zip(paths, records):
        if lines := differences(records[0].settings, record.settings):
            raise ResultError(f'{path}: expected the settings of {paths[0].name}, got others: {"; ".join(lines)}; only searches '
                              'with equal settings can be compared, so move it elsewhere')
    return sorted(records, key=lambda record: (record.strategy, record.seed))


def _read(path: Path) -> Record:
    remedy = 'delete it, and start the experiment again, which runs this search again'
    try:
        content = json.loads(path.read_text(encoding='utf8'))
    except (OSError, ValueError) as error:
        raise ResultError(f'{path}: expected a record as JSON, got {type(error).__name__}: {error}; {remedy}') from error
    if not isinstance(content, dict) or 'version' not in content:
        raise ResultError(f'{path}: expected a record with a version, got '
                          f'{"none" if isinstance(content, dict) else type(content).__name__}; {remedy}')
    check_version(content['version'], str(path), ResultError, remedy)
    fields = {field.name: str(field.type) for field in dataclasses.fields(Record)}
    for name, kind in fields.items():
        value = content.get(name)
        if not isinstance(value, _KINDS[kind]) or isinstance(value, bool) != (kind == 'bool'):
            raise ResultError(f'{path}: expected {name} to be of type {kind}, got {value!r}; {remedy}')
    if not 0 <= content['accuracy'] <= 1:
        raise ResultError(f'{path}: expected an accuracy from 0 to 1, got {content["accuracy"]!r}; {remedy}')
    for name in _AT_LEAST_ZERO:
        if not 0 <= content[name] < float('inf'):
            raise ResultError(f'{path}: expected {name} to be finite and at least 0, got {content[name]!r}; {remedy}')
    if f'{content["strategy"]}-{content["seed"]}' != path.stem:
        raise ResultError(f'{path}: expected the record of {path.stem}, got that of {content["strategy"]}-{content["seed"]}; '
                          f'{remedy}')
    return Record(**{name: content[name] for name in fields})
