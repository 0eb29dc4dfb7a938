"""Check an experiment's YAML file as the experiment itself would, without starting or writing anything."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from ..errors import SettingsError
from ..imports import add_to_path
from ..settings import filled_in, read_mapping, read_settings
from .config import ConfigSetup
from .setup import Setup
from .describe import describe
from .machines import check_machines
from .tasks import distill_tasks, teacher_tasks
from .work import WorkFolder

__all__ = ['check_config', 'check_trial_limit', 'read_config']


def check_config(path: Path) -> str:
    """Check a config file.

    Parameters
    ----------
    path
        NNI's YAML file.

    Returns
    -------
    str
        What the experiment would do: blocks, paths, stages, trials.

    Raises
    ------
    NniDnaError
        The first thing that is wrong.
    """
    config, setup = read_config(path)
    check_machines(config, setup.settings.work, path.resolve().parent)
    WorkFolder(setup.settings.work).check(setup.record())
    setup.check()
    check_trial_limit(setup, config.get('maxTrialNumber'))
    filled = [f'preset {setup.settings.preset}: {line}' for line in filled_in(config['tuner']['classArgs'])]
    return '\n'.join([*filled, describe(setup), f'{_trials(setup)} trials; work folder {setup.settings.work}'])


def read_config(path: Path) -> tuple[dict[str, Any], ConfigSetup]:
    """What NNI's YAML file holds, and the experiment that it describes.

    Raises
    ------
    SettingsError
        If it describes none.
    """
    config = read_mapping(path, '')
    tuner = config.get('tuner')
    if not isinstance(tuner, dict) or not isinstance(tuner.get('classArgs'), dict):
        raise SettingsError(f"tuner.classArgs: expected a mapping in {path}, got {tuner!r}; see the README's example")
    base = path.resolve().parent
    code = (base / str(tuner.get('codeDirectory') or config.get('trialCodeDirectory') or '.')).resolve()
    add_to_path(code)
    settings = read_settings(tuner['classArgs'], code)
    return config, ConfigSetup(settings, _search_space(config, base))


def check_trial_limit(setup: Setup, limit: int | None) -> None:
    """See that NNI would not end the experiment before its time.

    Parameters
    ----------
    setup
        The experiment.
    limit
        NNI's ``maxTrialNumber``, if any.

    Raises
    ------
    SettingsError
        If it leaves no room for all trials and their retries.
    """
    if limit is None:
        return
    if not isinstance(limit, int) or isinstance(limit, bool):
        raise SettingsError(f'maxTrialNumber: expected a whole number, got {limit!r:.200}; leave it out, since the experiment '
                            'ends by itself')
    needed = _trials(setup) * (1 + setup.settings.retries)
    if limit < needed:
        raise SettingsError(f'maxTrialNumber: expected at least {needed} ({_trials(setup)} trials, and retries: '
                            f'{setup.settings.retries}), got {limit}; leave it out, since the experiment ends by itself')


def _trials(setup: Setup) -> int:
    settings = setup.settings
    tasks, supernets = settings.distill.tasks, len(list(setup.chain.supernets()))
    distill = min(tasks, supernets) if isinstance(tasks, int) else len(distill_tasks(settings, setup.chain, ''))
    return len(teacher_tasks(settings)) + distill + settings.search.top_k + len(setup.over_training)


def _search_space(config: dict[str, Any], base: Path) -> dict[str, Any]:
    if config.get('searchSpaceFile') is not None:
        return read_mapping(base / str(config['searchSpaceFile']), 'searchSpaceFile: ')
    space = config.get('searchSpace')
    if space is not None and not isinstance(space, dict):
        raise SettingsError(f'searchSpace: expected a mapping, got {space!r}; write {{}} for the whole model space')
    if space is None:
        raise SettingsError('searchSpace: this setting is missing; write searchSpace: {} for the whole model space')
    return space
