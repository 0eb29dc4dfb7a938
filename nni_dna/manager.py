"""Two words with NNI's manager that its command channel does not offer."""

from __future__ import annotations

import base64
import json
import sys
from pathlib import Path
from typing import Any, Sequence
from urllib.parse import urlsplit

import requests

__all__ = ['end_experiment', 'config_folder']

_TIMEOUT = 20


def end_experiment(channel: str) -> None:
    """Let the manager end the experiment as DONE.

    After a mere "no more trials" it would wait for ever; it ends once the highest number of trials is the number submitted.

    Parameters
    ----------
    channel
        URL of the manager's command channel, ``ws://localhost:8080/tuner`` or with a prefix before ``tuner``.
    """
    parts = urlsplit(channel)
    api = f'http://{parts.netloc}{parts.path.rpartition("/tuner")[0]}/api/v1/nni'

    def ask(method: str, path: str, **kwargs: Any) -> requests.Response:
        response = requests.request(method, f'{api}{path}', timeout=_TIMEOUT, **kwargs)
        response.raise_for_status()
        return response

    profile = ask('GET', '/experiment').json()
    profile['params']['maxTrialNumber'] = len(ask('GET', '/trial-jobs').json())
    ask('PUT', '/experiment?update_type=MAX_TRIAL_NUM', json=profile)


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
