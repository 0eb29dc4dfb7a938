"""Settings as they are in an experiment's YAML file."""

import copy
from pathlib import Path

BASE = Path('/experiment/folder')


def minimal():
    return {'work': 'work', 'data': {'name': 'digits', 'image_size': 32},
            'teacher': {'name': 'resnet18'}, 'space': {'name': 'digits'}}


def changed(place, value):
    """The minimal settings with one value at a place such as 'data.root'."""
    raw = copy.deepcopy(minimal())
    *sections, name = place.split('.')
    target = raw
    for section in sections:
        target = target.setdefault(section, {})
    target[name] = value
    return raw
