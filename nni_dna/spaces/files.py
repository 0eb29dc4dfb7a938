"""NNI search-space definitions, both ways: a chain as a definition, and a definition that restricts a chain.

``{"label": {"_type": "choice", "_value": [...]}}`` is what NNI's tuners read. A label that a definition leaves out stays
unrestricted.
"""

from __future__ import annotations

import dataclasses
import json
from typing import Any, Mapping

from ..errors import SpaceError, nearest
from .chain import Cell, Chain, Layer

__all__ = ['to_definition', 'restrict']


def to_definition(chain: Chain) -> dict[str, dict[str, Any]]:
    """The NNI search-space definition of a chain."""
    return {label: {'_type': 'choice', '_value': values} for label, values in chain.label_values().items()}


def restrict(chain: Chain, definition: Mapping[str, Any] | None) -> Chain:
    """Keep only the cells and candidates that an NNI search-space definition lists.

    Parameters
    ----------
    chain
        What the model space offers.
    definition
        An NNI search-space definition; empty or None restricts nothing.

    Returns
    -------
    Chain
        With the order of the model space, whatever the order in the definition.

    Raises
    ------
    SpaceError
        If the definition is malformed, or has a label or value that the model space does not have (the nearest known ones
        are named), or leaves a choice without a value.
    """
    if not definition:
        return chain
    allowed = _allowed(chain, definition)
    blocks = []
    for block in chain.blocks:
        cells = tuple(_restrict_cell(cell, allowed) for cell in block.cells if _keeps(cell.choice, allowed))
        blocks.append(dataclasses.replace(block, cells=cells))
    return dataclasses.replace(chain, blocks=tuple(blocks))


def _allowed(chain: Chain, definition: Mapping[str, Any]) -> dict[str, set[str]]:
    """The values that the definition lists, as JSON text, by label; everything is checked here."""
    if not isinstance(definition, Mapping):
        raise SpaceError('search space: expected a mapping of label to {"_type": "choice", "_value": [...]}, '
                         f'got {type(definition).__name__}')
    known = chain.label_values()
    allowed = {}
    for label, spec in definition.items():
        if label not in known:
            raise SpaceError(f'search space: the model space has no label {label!r}; {nearest(label, known)}')
        if not isinstance(spec, Mapping) or spec.get('_type') != 'choice' or not isinstance(spec.get('_value'), list):
            raise SpaceError(f'search space, label {label!r}: expected {{"_type": "choice", "_value": [...]}}, got {spec!r}')
        if not spec['_value']:
            raise SpaceError(f'search space, label {label!r}: expected at least one value, got an empty list; '
                             'leave the label out to keep all of its values')
        values = {_text(value) for value in known[label]}
        for value in spec['_value']:
            if _text(value) not in values:
                raise SpaceError(f'search space, label {label!r}: the model space has no value {value!r}; '
                                 f'{nearest(value, known[label])}')
        allowed[label] = {_text(value) for value in spec['_value']}
    return allowed


def _text(value: Any) -> str:
    return json.dumps(value, sort_keys=True, default=str)


def _keeps(choice: Mapping[str, Any], allowed: Mapping[str, set[str]]) -> bool:
    return all(label not in allowed or _text(value) in allowed[label] for label, value in choice.items())


def _restrict_cell(cell: Cell, allowed: Mapping[str, set[str]]) -> Cell:
    layers = tuple(
        Layer(name=layer.name, options=tuple(option for option in layer.options if _keeps(option, allowed)))
        for layer in cell.layers)
    return dataclasses.replace(cell, layers=layers)
