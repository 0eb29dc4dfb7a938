"""The labels of a model space, and every way to choose within a module."""

from __future__ import annotations

import itertools
from typing import Any, Iterable, Mapping, Sequence

from torch import nn
from nni.mutable import Categorical, MutableSymbol
from nni.nas.nn.pytorch import LayerChoice, MutableModule, Repeat

from ..errors import SpaceError
from .chain import Architecture

__all__ = ['Values', 'labels_of', 'choices_of', 'structural_labels', 'merged']

Values = Mapping[str, Sequence[Any]]
"""The values that each label may take."""

_MOST_CHOICES = 20_000  # of one layer: more would never be rated


def labels_of(module: nn.Module) -> dict[str, list[Any]]:
    """The labelled choices in a module and below it with their values, in module order.

    Raises
    ------
    SpaceError
        If a choice is not one of a list of values (a numeric range, or several at once), or two choices of one label differ.
    """
    found: dict[str, list[Any]] = {}
    for root in _mutable_roots(module):
        # NNI's simplify() gives the same, but compares every choice with all that it is made of, at each use of its label.
        for mutable in root.leaf_mutables(lambda leaf: isinstance(leaf, MutableSymbol)):
            label = mutable.label
            if not isinstance(mutable, Categorical):
                raise SpaceError(
                    f'label {label!r}: expected a choice of one among listed values, got {mutable!r}; write it as '
                    'nni.choice(label, [...]). Spaces that wire nodes freely (NNI\'s Cell) are no chains of layers: search '
                    'them with nni.nas.strategy.DARTS, ENAS or RegularizedEvolution')
            values = list(mutable.values)
            if found.setdefault(label, values) != values:
                raise SpaceError(f'label {label!r}: two choices have this label, one among {found[label]!r} and one among '
                                 f'{values!r}; give each its own label, or both the same values')
    return found


def _mutable_roots(module: nn.Module) -> list[MutableModule]:
    if isinstance(module, MutableModule):
        return [module]
    return [child for _, child in MutableModule.named_mutable_descendants(module)]


def structural_labels(module: nn.Module) -> set[str]:
    """The labels in a module that pick an operation or a depth, rather than a size."""
    found: set[str] = set()
    for part in module.modules():
        if isinstance(part, LayerChoice):
            found.add(part.label)
        elif isinstance(part, Repeat) and not isinstance(part.depth_choice, int):
            found.update(part.depth_choice.simplify())
    return found


def choices_of(module: nn.Module, values: Values, given: Mapping[str, Any]) -> list[Architecture]:
    """Every way to choose within a module, without the labels that a choice leaves without effect.

    Parameters
    ----------
    module
        A module of a model space.
    values
        The values that labels may take.
    given
        Choices that are made already; they are left out of the result.

    Raises
    ------
    SpaceError
        If there are too many to list.
    """
    if isinstance(module, LayerChoice):
        parts = [merged([{module.label: value}], choices_of(module[value], values, given))
                 for value in allowed(module.label, values, given)]
        found = [choice for part in parts for choice in part]
    elif isinstance(module, Repeat):
        found = []
        for choice, depth in depths_of(module, values, given):
            inner: list[Architecture] = [choice]
            for block in list(module.blocks)[:depth]:
                inner = _few(merged(inner, choices_of(block, values, {**given, **choice})), module)
            found += inner
    else:
        found = [{}]
        if isinstance(module, MutableModule):
            ordered = _own_labels(module)
            found = [dict(zip(ordered, combination))
                     for combination in itertools.product(*(allowed(label, values, given) for label in ordered))]
        for child in module.children():
            found = _few(merged(found, choices_of(child, values, given)), module)
    _few(found, module)
    return _distinct({label: value for label, value in choice.items() if label not in given} for choice in found)


def _own_labels(module: MutableModule) -> list[str]:
    """The labels of a module itself, without those below it."""
    return list(dict.fromkeys(leaf.label for mutable in module.mutables
                              for leaf in mutable.leaf_mutables(lambda leaf: isinstance(leaf, MutableSymbol))))


def _few(choices: list[Architecture], module: nn.Module) -> list[Architecture]:
    if len(choices) > _MOST_CHOICES:
        raise SpaceError(f'a layer ({type(module).__name__}) has more than {_MOST_CHOICES:,} choices, which is too many to rate; '
                         'write it as a chain of layers (nn.Sequential), or restrict the values of its labels '
                         f'({", ".join(labels_of(module))}) by the search space')
    return choices


def depths_of(module: Repeat, values: Values, given: Mapping[str, Any]) -> list[tuple[Architecture, int]]:
    """The choices that decide a Repeat's depth, each with the depth."""
    if isinstance(module.depth_choice, int):
        return [({}, module.depth_choice)]
    labels = list(module.depth_choice.simplify())
    found = []
    for combination in itertools.product(*(allowed(label, values, given) for label in labels)):
        choice = dict(zip(labels, combination))
        found.append((choice, int(module.depth_choice.freeze(choice))))
    return found


def allowed(label: str, values: Values, given: Mapping[str, Any]) -> Sequence[Any]:
    """The values that a label may take, given the choices that are made already."""
    return [given[label]] if label in given else values[label]


def merged(left: Sequence[Architecture], right: Sequence[Architecture]) -> list[Architecture]:
    """All pairs of choices that do not contradict each other, joined."""
    if len(left) * len(right) > 100 * _MOST_CHOICES:
        raise SpaceError(f'{len(left) * len(right):,} combinations of choices in one layer are too many; write it as a chain of '
                         'layers (nn.Sequential), or restrict the values of its labels by the search space')
    return [{**a, **b} for a in left for b in right if all(a.get(label, value) == value for label, value in b.items())]


def _distinct(choices: Iterable[Architecture]) -> list[Architecture]:
    found: dict[tuple, Architecture] = {}
    for choice in choices:
        found.setdefault(tuple(sorted((label, repr(value)) for label, value in choice.items())), choice)
    return list(found.values())
