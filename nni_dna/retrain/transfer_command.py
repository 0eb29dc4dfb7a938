"""``nni-dna transfer``: from words on the command line to `transfer`, and what it prints."""

from __future__ import annotations

from pathlib import Path
from typing import Any, Sequence

import yaml

from ..data import SOURCES
from ..errors import SettingsError
from .transfer import transfer

__all__ = ['run_transfer']


def run_transfer(work: Path, output: Path, rank: int, source: str, recipe: str, changes: Sequence[str], seed: int) -> str:
    """Fine-tune a winner as the command line says; prints the training accuracy of each epoch.

    Parameters
    ----------
    work, output, rank, seed
        As for `transfer`.
    source
        Name of the data, and a colon and its folder where it has one.
    recipe
        Name of the recipe.
    changes
        Further settings, each ``data.KEY=VALUE`` or ``retrain.KEY=VALUE``; a value is read as in a YAML file.

    Returns
    -------
    str
        What was reached.

    Raises
    ------
    NniDnaError
        As `transfer`.
    """
    name, _, root = source.partition(':')
    sections: dict[str, dict[str, Any]] = {'data': {'name': source}, 'retrain': {'recipe': recipe}}
    if name in SOURCES:  # else it may be an import path, which may have a colon of its own
        sections['data'] = {'name': name, **({'root': root} if root else {})}
    for change in changes:
        key, equals, value = change.partition('=')
        section, _, option = key.partition('.')
        if not equals or section not in sections or not option:
            raise SettingsError(f'--set: expected data.KEY=VALUE or retrain.KEY=VALUE, got {change!r}; write it so')
        try:
            sections[section][option] = yaml.safe_load(value)
        except yaml.YAMLError as error:
            raise SettingsError(f'--set: {key}: expected a value as in a YAML file, got {value!r}: {error}') from error
    epochs = 0

    def report(value: float) -> None:
        nonlocal epochs
        epochs += 1
        print(f'epoch {epochs}: accuracy {value:.4f} on the training images', flush=True)

    found = transfer(work, output, data=sections['data'], rank=rank, retrain=sections['retrain'], seed=seed, report=report)
    top5 = f', top-5 {found["top5"]:.4f}' if 'top5' in found else ''
    return (f'accuracy {found["top1"]:.4f}{top5} on the test images of {found["num_classes"]} classes; weights and '
            f'transfer.json are in {output}')
