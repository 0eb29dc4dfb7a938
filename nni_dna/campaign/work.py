"""The work folder: settings, journal, and per task a folder with its files and a result that vouches for them.

Nothing in it is ever read with pickle. A file counts only if its SHA-256 is the one that its task reported.
"""

from __future__ import annotations

import json
from contextlib import contextmanager
from pathlib import Path
from typing import IO, Any, Iterable, Iterator, Mapping

from .. import __version__
from ..errors import ResultError, WorkFolderError
from ..files import check_writable, inside, sha256, write_atomically, writing
from ..settings import differences, with_defaults
from ..trust import remember
from ..versions import FORMAT
from .journal import Journal
from .locks import lock_folder, one_at_a_time
from .records import RANKING, RESULT, SETTINGS, check_event, read_record

__all__ = ['WorkFolder']


class WorkFolder:
    """A campaign's folder.

    Parameters
    ----------
    root
        The folder.
    """

    def __init__(self, root: Path):
        self.root = root
        self.journal = Journal(root / 'journal.jsonl')

    def check(self, record: Mapping[str, Any]) -> dict[str, Any]:
        """See that the folder is new, or belongs to this experiment; touches nothing.

        Parameters
        ----------
        record
            The experiment, as `Setup.record` gives it.

        Returns
        -------
        dict
            What the folder's settings file holds or is to hold.

        Raises
        ------
        WorkFolderError
            If the folder belongs to other settings (says what differs), holds something else, is damaged, or cannot be
            written.
        """
        wanted = json.loads(json.dumps({'version': FORMAT, 'nni_dna': __version__, **record}, default=str))
        if self.settings_file.exists():
            lines = differences(_what_matters(self._read_settings_file()), _what_matters(wanted))
            if lines:
                raise WorkFolderError(f'work: {self.root} belongs to other settings: {"; ".join(lines)}; '
                                      'name another work folder, or put the settings back')
            self.events()
            self._check_links()
        elif self.root.exists() and (not self.root.is_dir() or any(self.root.iterdir())):
            raise WorkFolderError(f'work: expected a new or empty folder or a work folder, got {self.root}, which holds '
                                  'something else; name another')
        check_writable(self.root, 'work')
        return wanted

    def claim(self, record: Mapping[str, Any], code: Path) -> IO[str]:
        """Make the folder ours, once it is checked, found writable, and free of other experiments.

        Parameters
        ----------
        record
            As for `check`.
        code
            Folder of the user's own modules.

        Returns
        -------
        IO
            The lock, as `lock_folder` gives it.

        Raises
        ------
        WorkFolderError
            As `check` and `lock_folder`, or if the folder cannot be written.
        """
        wanted = self.check(record)
        try:
            self.root.mkdir(parents=True, exist_ok=True)
            lock = lock_folder(self.root)
            self._write_json(self.settings_file, {**wanted, 'code': str(code)})
            remember(self.settings_file)
            return lock
        except WorkFolderError:
            raise
        except OSError as error:
            raise WorkFolderError(f'work: {self.root} cannot be written: {error}; name a folder that can') from error

    def record(self) -> dict[str, Any]:
        """The experiment that the folder belongs to, as `Setup.record` gave it.

        Raises
        ------
        WorkFolderError
            If this is no work folder.
        """
        return self._read_settings_file()

    def events(self) -> list[dict[str, Any]]:
        """All whole events of the journal, each with what is read from it.

        Raises
        ------
        WorkFolderError
            If the journal is damaged, or of another version.
        """
        events = self.journal.read()
        for number, event in enumerate(events, start=1):
            check_event(event, f'{self.journal.path}, line {number}', WorkFolderError,
                        'the journal is damaged: restore it, or name another work folder')
        return events

    def task_folder(self, task_id: str) -> Path:
        """The folder of a task, made if it is not there."""
        folder = inside(self.root, task_id)
        with writing(folder):
            folder.mkdir(parents=True, exist_ok=True)
        return folder

    def code_folder(self) -> Path:
        """Folder of the user's own modules."""
        return Path(self._read_settings_file()['code'])

    @contextmanager
    def alone(self, task_id: str) -> Iterator[None]:
        """Keep other trials from doing the same task; waits for one that does."""
        with one_at_a_time(self.task_folder(task_id) / 'running', task_id):
            yield

    def write_result(self, task_id: str, value: float, files: Iterable[Path], details: Mapping[str, Any],
                     basis: str = '') -> dict[str, Any]:
        """Vouch for a task's files; the task is done once this returns.

        Parameters
        ----------
        task_id
            Which task.
        value
            Its final metric.
        files
            What it wrote, inside the work folder.
        details
            Further JSON-able findings.
        basis
            The task's.

        Returns
        -------
        dict
            The trial's final metric: ``default``, ``task`` and the SHA-256 of the result.
        """
        result = {'version': FORMAT, 'task': task_id, 'basis': basis, 'value': value, 'details': dict(details),
                  'files': {str(file.relative_to(self.root)): sha256(file) for file in files}}
        self._write_json(self.task_folder(task_id) / 'result.json', result)
        return self._final_metric(task_id, value)

    def _final_metric(self, task_id: str, value: float) -> dict[str, Any]:
        return {'default': value, 'task': task_id, 'sha256': sha256(self.root / task_id / 'result.json')}

    def finished_metric(self, task_id: str, basis: str | None = '') -> dict[str, Any] | None:
        """The final metric of a task that was already done and whose files are whole, else None. Any basis will do if None."""
        try:
            return self._final_metric(task_id, self.read_result(task_id, basis=basis)['value'])
        except ResultError:
            return None

    def read_result(self, task_id: str, reported: str | None = None, basis: str | None = None, only: str = '') -> dict[str, Any]:
        """A task's result, once every file is found to be the one that was reported.

        Parameters
        ----------
        task_id
            Which task.
        reported
            The SHA-256 that the trial reported; None where only the files are to be checked.
        basis
            The task's; None where any will do.
        only
            The files to check: those whose names end so. The others must not be read.

        Raises
        ------
        ResultError
            If the result or a file is missing or another one.
        """
        file = inside(self.root, f'{task_id}/result.json')
        if not file.is_file():
            raise ResultError(f'{task_id}: expected {file}, which is missing; start the experiment again, which runs this '
                              'task again')
        if reported is not None and sha256(file) != reported:
            raise ResultError(f'{task_id}: {file} is not the file that the trial reported (its SHA-256 differs); restore '
                              'it, or start the experiment again')
        result = read_record(file, RESULT, ResultError, 'start the experiment again, which runs this task again')
        if basis is not None and result['basis'] != basis:
            raise ResultError(f'{task_id}: {file} is the result of another architecture, recipe or teacher')
        for name, digest in result['files'].items():
            if not name.endswith(only):
                continue
            path = inside(self.root, name)
            if not path.is_file() or sha256(path) != digest:
                raise ResultError(f'{task_id}: {path} is missing or not the file that the trial wrote (its SHA-256 differs); '
                                  'restore it, or start the experiment again')
        return result

    def write_error(self, task_id: str, text: str) -> None:
        """Keep a failed trial's own error for whoever looks."""
        write_atomically(self.task_folder(task_id) / 'error.txt', text.encode())

    def take_error(self, task_id: str) -> str:
        """A failed trial's own error, taken away; empty if it left none (it was killed, for example)."""
        file = self.root / task_id / 'error.txt'
        if not file.is_file():
            return ''
        text = file.read_text()
        with writing(file):
            file.unlink()
        return text

    def write_ranking(self, ranking: Mapping[str, Any]) -> None:
        """Write ``ranking.json``."""
        write_atomically(self.root / 'ranking.json', json.dumps(ranking, indent=2).encode() + b'\n')

    def read_ranking(self) -> dict[str, Any] | None:
        """What ``ranking.json`` holds; None before the search.

        Raises
        ------
        WorkFolderError
            If it is damaged, or of another version.
        """
        file = self.root / 'ranking.json'
        if not file.is_file():
            return None
        return read_record(file, RANKING, WorkFolderError, 'start the experiment again, which writes it')

    def write_over_training(self, content: Mapping[str, Any]) -> None:
        """Write ``over_training.json``."""
        write_atomically(self.root / 'over_training.json', json.dumps(content, indent=2).encode() + b'\n')

    def _check_links(self) -> None:
        for name in ('journal.jsonl', 'lock', 'trials', 'teacher', 'distill', 'retrain'):  # what is written in place
            if (self.root / name).is_symlink():
                raise WorkFolderError(f'work: expected {self.root / name} in the work folder itself, got a link; what is written '
                                      'there would go elsewhere: put it in its place, or name another work folder')

    @property
    def settings_file(self) -> Path:
        """The file that says which experiment this is."""
        return self.root / 'settings.json'

    def _read_settings_file(self) -> dict[str, Any]:
        return read_record(self.settings_file, SETTINGS, WorkFolderError, 'name the work folder of an experiment')

    def _write_json(self, path: Path, content: Mapping[str, Any]) -> None:
        write_atomically(path, json.dumps(content, indent=2, sort_keys=True).encode() + b'\n')


def _what_matters(found: dict[str, Any]) -> dict[str, Any]:
    """The part of a settings file that decides whether results may be shared.

    A search takes no time, so it is done again; a retrained model knows its architecture and its recipe itself, and latencies
    know how they were measured.
    """
    settings = {key: value for key, value in with_defaults(found['settings']).items()
                if key not in ('work', 'preset', 'retries', 'stall_minutes', 'threads', 'search', 'latency', 'retrain')}
    if 'data' in settings:
        settings['data'] = {key: value for key, value in settings['data'].items() if key != 'workers'}
    return {'settings': settings, 'search_space': found['search_space']}
