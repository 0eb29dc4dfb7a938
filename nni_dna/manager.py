"""What we ask of NNI's manager over REST, because its command channel does not offer it."""

from __future__ import annotations

import base64
import json
import logging
import os
import sys
import threading
import time
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Sequence
from urllib.parse import urlsplit

import psutil
import requests

__all__ = ['Manager', 'Row', 'config_folder', 'end_with_manager']

_logger = logging.getLogger(__name__)

_TIMEOUT = 20


@dataclass(frozen=True, kw_only=True)
class Row:
    """A trial as the web UI lists it.

    Attributes
    ----------
    trial
        NNI's id.
    status
        ``WAITING``, ``RUNNING``, ``SUCCEEDED``, ``FAILED``, ...; ``ADD_RESUMED`` if it was interrupted, and the manager of the
        resumed experiment has not started it again yet.
    sent
        What was sent for it: ``parameter_id``, ``parameters``.
    """

    trial: str
    status: str
    sent: dict[str, Any]


class Manager:
    """The manager's REST interface.

    Parameters
    ----------
    channel
        URL of its command channel, ``ws://localhost:8080/tuner`` or with a prefix before ``tuner``.
    """

    def __init__(self, channel: str):
        parts = urlsplit(channel)
        self.api = f'http://{parts.netloc}{parts.path.rpartition("/tuner")[0]}/api/v1/nni'

    def experiment(self) -> dict[str, Any]:
        """The experiment's profile: ``id``, ``params`` (the config), ..."""
        return self._ask('GET', '/experiment').json()

    def rows(self) -> list[Row]:
        """All trials submitted so far."""
        return [Row(trial=row['trialJobId'], status=row['status'], sent=json.loads(row['hyperParameters'][0]))
                for row in self._ask('GET', '/trial-jobs').json() if row.get('hyperParameters')]

    def end_experiment(self) -> None:
        """Let the experiment end as DONE.

        After a mere "no more trials" it would wait for ever; it ends once the highest number of trials is the number
        submitted.
        """
        for patience in range(6):
            try:
                profile = self.experiment()
                profile['params']['maxTrialNumber'] = len(self._ask('GET', '/trial-jobs').json())
                self._ask('PUT', '/experiment?update_type=MAX_TRIAL_NUM', json=profile)
                return
            except requests.RequestException as error:
                _logger.warning('the manager does not answer yet: %s', error)
                time.sleep(2 ** patience)
        _logger.error('the search is done, but the manager could not be told; stop the experiment with nnictl stop')

    def cancel(self, trial: str) -> None:
        """End a trial; it comes back as USER_CANCELED."""
        self._ask('DELETE', f'/trial-jobs/{trial}')

    def _ask(self, method: str, path: str, **kwargs: Any) -> requests.Response:
        response = requests.request(method, f'{self.api}{path}', timeout=_TIMEOUT, **kwargs)
        response.raise_for_status()
        return response


def end_with_manager() -> None:
    """End this dispatcher as soon as the manager that started it is gone.

    NNI's own tries for ten seconds to find the manager again. A manager that was resumed by then, on the same port, would give it
    the first command, which is the resumed dispatcher's; and for so long it would hold the work folder.
    """
    def ancestors() -> list[int]:
        return [process.pid for process in psutil.Process().parents()[:2]]  # a shell, and the manager

    def watch() -> None:
        while ancestors() == before:
            time.sleep(0.3)
        _logger.error("NNI's manager is gone; go on with nnictl resume")
        os._exit(1)

    before = ancestors()
    threading.Thread(target=watch, name='manager watch', daemon=True).start()


def config_folder(argv: Sequence[str] = sys.argv) -> Path:
    """The folder of the experiment's YAML file, to which its relative paths are relative.

    NNI passes the config, with its own paths made absolute, on the dispatcher's command line.

    Parameters
    ----------
    argv
        The dispatcher's command line.

    Returns
    -------
    Path
        The tuner's ``codeDirectory`` where it is given, else ``trialCodeDirectory``: both are the YAML file's folder unless
        the user names another. The current folder outside an NNI dispatcher.
    """
    if '--exp_params' not in argv:
        return Path.cwd()
    config = json.loads(base64.b64decode(argv[list(argv).index('--exp_params') + 1]))
    return Path(config.get('tuner', {}).get('codeDirectory') or config.get('trialCodeDirectory') or '.').resolve()
