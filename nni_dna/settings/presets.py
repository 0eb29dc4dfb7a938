"""Presets: settings that fill in what the user leaves out."""

from __future__ import annotations

from typing import Any, Callable, Mapping

from ..errors import SettingsError, nearest

__all__ = ['PRESETS', 'filled_in', 'with_preset']


def imagenet() -> dict[str, Any]:
    """The paper's set-up on ImageNet (section 4.1), and from the authors' code what the paper leaves open.

    Of ``data`` the folder is missing, which is the user's: ``root``, with ``train/`` and ``val/``.
    """
    return {
        'data': {'name': 'imagefolder', 'image_size': 224, 'batch_size': 256, 'holdout_per_class': 50, 'augment': 'imagenet',
                 'color_jitter': 0.4, 'random_erasing': 0.5, 'center_crop': 0.875,
                 'mean': [0.485, 0.456, 0.406], 'std': [0.229, 0.224, 0.225], 'workers': 4},
        # Widths 48, 80, 160, 224, 384, 640.
        'teacher': {'name': 'efficientnet_b7', 'weights': 'pretrained', 'batch_norm': 'train',
                    'stages': ['features.2', 'features.3', 'features.4', 'features.5', 'features.6', 'features.7']},
        'space': {'name': 'dna'},
        'distill': {'epochs': 20, 'lr_first': 0.002, 'lr': 0.005, 'lr_decay': 0.9, 'weight_decay': 1e-4,
                    'channels_last': True},  # a third faster on a CPU (see benchmarks/)
        'rate': {'measure': 'l1'},
        'retrain': {'recipe': 'imagenet'},
    }


PRESETS: dict[str, Callable[[], dict[str, Any]]] = {'imagenet': imagenet}

_DEPENDS = {
    ('teacher', 'stages'): [('teacher', 'name'), ('teacher', 'args'), ('space', 'name'), ('space', 'args'), ('space', 'blocks')],
    ('data', 'holdout_per_class'): [('data', 'holdout_images'), ('data', 'holdout_folder')],
}
"""What a preset leaves out where the user gives one of the settings that it depends on."""


def with_preset(raw: Mapping[str, Any]) -> dict[str, Any]:
    """The settings with those of their preset, if any, where the user gives none.

    Parameters
    ----------
    raw
        What the user wrote.

    Raises
    ------
    SettingsError
        If there is no such preset.
    """
    whole = dict(raw)
    for section, values in _missing(raw).items():
        if isinstance(whole.get(section, {}), Mapping):  # if not, the reader says so
            whole[section] = {**values, **whole.get(section, {})}
    return whole


def filled_in(raw: Mapping[str, Any]) -> list[str]:
    """What the preset adds to the user's settings, a line each: ``data.batch_size: 256``."""
    return [f'{section}.{name}: {value}' for section, values in _missing(raw).items() for name, value in values.items()]


def _missing(raw: Mapping[str, Any]) -> dict[str, dict[str, Any]]:
    name = raw.get('preset')
    if not isinstance(name, str):  # nothing, or what the reader refuses
        return {}
    if name not in PRESETS:
        raise SettingsError(f'preset: expected one of {", ".join(PRESETS)}, got {name!r}; {nearest(name, PRESETS)}')
    return {section: {key: value for key, value in values.items()
                      if not any(_given(raw, *place) for place in [(section, key), *_DEPENDS.get((section, key), [])])}
            for section, values in PRESETS[name]().items()}


def _given(raw: Mapping[str, Any], section: str, name: str) -> bool:
    found = raw.get(section)
    return isinstance(found, Mapping) and name in found
