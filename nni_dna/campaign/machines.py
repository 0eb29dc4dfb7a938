"""What NNI's remote service needs beyond one machine, checked before the first trial starts."""

from __future__ import annotations

from pathlib import Path
from typing import Any, Mapping

from ..errors import SettingsError

__all__ = ['check_machines']

_HERE = ('localhost', '127.', '::1')


def check_machines(config: Mapping[str, Any], work: Path, base: Path) -> None:
    """See that remote workers can reach NNI's manager, and that NNI does not copy the work folder to them.

    Parameters
    ----------
    config
        NNI's, of the experiment.
    work
        The work folder.
    base
        Folder of the experiment's YAML file.

    Raises
    ------
    SettingsError
        If they cannot, or it would.
    """
    services = config.get('trainingService')
    for service in services if isinstance(services, list) else [services]:
        if not isinstance(service, dict) or service.get('platform') != 'remote':
            continue
        hosts = [str(machine.get('host')) for machine in service.get('machineList') or () if isinstance(machine, dict)]
        elsewhere = [host for host in hosts if not host.startswith(_HERE)]
        if elsewhere and not (config.get('nniManagerIp') or service.get('nniManagerIp')):
            # Without it NNI 3.0 has workers connect to localhost, which is the worker's own machine, and waits for ever.
            raise SettingsError(f'nniManagerIp: expected the address of this machine as {elsewhere[0]} reaches it, got none; NNI '
                                'would have its workers there call localhost')
        code = (base / str(service.get('trialCodeDirectory') or config.get('trialCodeDirectory') or '.')).resolve()
        if work.resolve().is_relative_to(code) and not _is_ignored(work.resolve().relative_to(code), code / '.nniignore'):
            raise SettingsError(f'work: expected a folder outside trialCodeDirectory ({code}), which NNI copies to every '
                                f'machine, got {work}; name a folder on storage that all machines have under the same path, or, '
                                f'if this is one, list it in {code / ".nniignore"}')


def _is_ignored(path: Path, file: Path) -> bool:
    """Whether a line of NNI's ignore file names this path or a folder that it is in."""
    lines = file.read_text().splitlines() if file.is_file() else []
    named = {line.strip().strip('/') for line in lines}
    return any(str(part) in named for part in (path, *path.parents))
