"""Read what the user wrote in YAML or JSON."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import yaml

from ..errors import SettingsError

__all__ = ['read_mapping']


def read_mapping(path: Path, option: str) -> dict[str, Any]:
    """The mapping that a YAML or JSON file holds.

    Parameters
    ----------
    path
        The file.
    option
        The option that named the file, and a colon, for the error message; empty where it was named on the command line.

    Raises
    ------
    SettingsError
        If it cannot be read or holds something else.
    """
    try:
        text = path.read_text(encoding='utf8')
    except (OSError, ValueError) as error:
        raise SettingsError(f'{option}{path} cannot be read: {error}; name a file that can') from error
    try:
        content = json.loads(text) if path.suffix == '.json' else yaml.safe_load(text)
    except (ValueError, RecursionError, yaml.YAMLError) as error:
        raise SettingsError(f'{option}{path} is no valid YAML or JSON: {error}; mend the file') from error
    if not isinstance(content, dict):
        raise SettingsError(f'{option}expected {path} to hold a mapping, got {type(content).__name__}; mend the file')
    return content
