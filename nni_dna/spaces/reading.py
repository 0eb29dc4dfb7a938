"""From the units of a model space, grouped into blocks, to cells, layers and paths.

Within a block, a Repeat gives a cell for each depth, and a choice of size that several layers share (a width) a cell for each
value. These share the weights of one supernet. A LayerChoice among chains of layers gives cells with a supernet each, as in
the paper. All other choices are candidates of a layer.
"""

from __future__ import annotations

import itertools
from dataclasses import dataclass
from typing import Any, Iterable, Mapping, Sequence

from torch import nn
from nni.nas.nn.pytorch import LayerChoice, ModelSpace, Repeat

from ..errors import SpaceError
from .chain import Block, Cell, Chain, Layer
from .labels import Values, allowed, choices_of, depths_of, labels_of, merged, structural_labels
from .units import is_container

__all__ = ['read_chain', 'variants_of']

_MOST_CELLS = 1000

_SAME_CELLS = ('a space whose cells are the same in all stages (NasBench201 and its kind) is for nni.nas.strategy.DARTS, ENAS or '
               'RegularizedEvolution')


def read_chain(space: ModelSpace, stem: Sequence[str], blocks: Sequence[Sequence[str]], values: Values) -> Chain:
    """The blocks, cells and layers of a model space.

    Parameters
    ----------
    space
        The model space.
    stem
        Names of the modules before the first block.
    blocks
        Names of the modules of each block, in the order in which they run.
    values
        The values that each label may take.

    Raises
    ------
    SpaceError
        If a label crosses the blocks' borders in another way than as the width that one hands on to the next.
    """
    zones = _zones(space, stem, blocks)
    used = [_open(_labels_in(zone), values) for zone in zones]
    handed_on = _handed_on(zones, used)
    read = []
    for number, modules in enumerate(blocks, start=1):
        incoming = {label: values[label][-1] for label in handed_on[number - 1]}
        cells = _cells(space, f'block{number}', modules, values, incoming, handed_on[number])
        read.append(Block(name=f'block{number}', modules=tuple(modules), cells=cells, handed_on=tuple(handed_on[number]),
                          incoming=incoming))
    outside = {label: values[label][0] for zone in (zones[0], zones[-1]) for label in _labels_in(zone)
               if len(values[label]) == 1}
    return Chain(blocks=tuple(read), stem=tuple(stem), fixed=outside)


def _zones(space: ModelSpace, stem: Sequence[str], blocks: Sequence[Sequence[str]]) -> list[list[nn.Module]]:
    """The modules before, in each, and after the blocks."""
    zones = [[space.get_submodule(name) for name in names] for names in (stem, *blocks)]
    inside = {id(part) for zone in zones for module in zone for part in module.modules()}
    rest = [part for name, part in space.named_modules()
            if name and id(part) not in inside and not any(id(child) in inside for child in part.modules())]
    return [*zones, rest]


def _labels_in(zone: Iterable[nn.Module]) -> list[str]:
    """In module order."""
    return list(dict.fromkeys(label for module in zone for label in labels_of(module)))


def _open(labels: Iterable[str], values: Values) -> list[str]:
    return [label for label in labels if len(values[label]) > 1]


def _handed_on(zones: list[list[nn.Module]], used: list[list[str]]) -> list[list[str]]:
    """For each zone but the last, the labels that the next one depends on too.

    Index 0 is the stem, which hands on nothing that is open.
    """
    last = len(zones) - 1
    places = ['before the first block', *(f'in block{number}' for number in range(1, last)), 'after the last block']
    operations = [set().union(*map(structural_labels, zone)) for zone in zones]
    handed: list[list[str]] = [[] for _ in zones]
    for label in dict.fromkeys(itertools.chain(*used)):
        where = [index for index, labels in enumerate(used) if label in labels]
        first = where[0]
        if first in (0, last):
            raise SpaceError(f'label {label!r} is used {places[first]}, where no teacher stage can rate it; give it a single '
                             'value in the search space, or cut the blocks elsewhere (space.blocks, teacher.stages)')
        if where == [first]:
            continue
        names = ' and '.join(places[index] for index in where)
        if where != [first, first + 1] or any(label in operations[index] for index in where[1:]):
            raise SpaceError(f'label {label!r} is used {names}: blocks are trained independently, so a choice may belong to one '
                             'of them, or be the width that it hands on to the next. Give each its own label or one value in the '
                             f'search space, or cut the blocks elsewhere (space.blocks); {_SAME_CELLS}')
        handed[first].append(label)
    return handed


@dataclass(frozen=True)
class _Variant:
    """One depth of a block: its layers' modules, and what picks it."""

    choice: dict[str, Any]
    layers: tuple[str, ...]
    supernet: tuple[str, ...]


def _cells(space: ModelSpace, name: str, modules: Sequence[str], values: Values, incoming: Mapping[str, Any],
           handed_on: Sequence[str]) -> tuple[Cell, ...]:
    cells = []
    for variant in _product([_variants(space, module, values) for module in modules]):
        if not variant.layers:
            raise SpaceError(f'{name}: with {variant.choice} it has no layer; raise the smallest depth of the Repeat, or join '
                             'it with another block (space.blocks)')
        for shared in _shared(space, variant, values, incoming, handed_on):
            choice = {**variant.choice, **shared}
            given = {**incoming, **choice}
            layers = tuple(Layer(name=module, options=tuple(choices_of(space.get_submodule(module), values, given)))
                           for module in variant.layers)
            cells.append(Cell(name=_name(choice, variant), choice=choice, layers=layers,
                              supernet=','.join(variant.supernet) or 'only'))
            if len(cells) > _MOST_CELLS:
                raise _too_many(choice)
    return tuple(cells)


def _too_many(labels: Iterable[str]) -> SpaceError:
    return SpaceError(f'more than {_MOST_CELLS} combinations of depths and widths in one block ({", ".join(labels)}); restrict '
                      'them by the search space, cut the blocks elsewhere (space.blocks), or take a teacher that has more stages '
                      f'of that size; {_SAME_CELLS}')


def _name(choice: Mapping[str, Any], variant: _Variant) -> str:
    if not choice:
        return 'only'
    if len(choice) == len(variant.supernet):  # a choice among cells alone, which have names of their own
        return ','.join(str(value) for value in choice.values())
    return ','.join(f'{label}={value}' for label, value in choice.items())


def _shared(space: ModelSpace, variant: _Variant, values: Values, incoming: Mapping[str, Any],
            handed_on: Sequence[str]) -> list[dict[str, Any]]:
    """The choices of the labels that several layers depend on, or that are handed on."""
    users: dict[str, int] = {}
    for module in variant.layers:
        for label in labels_of(space.get_submodule(module)):
            users[label] = users.get(label, 0) + 1
    known = {**incoming, **variant.choice}
    labels = [label for label, count in users.items() if label not in known and (count > 1 or label in handed_on)]
    return [dict(zip(labels, combination))
            for combination in itertools.product(*(values[label] for label in labels))]


def variants_of(space: ModelSpace, name: str, values: Values) -> list[tuple[str, ...]]:
    """Names of the layers' modules for every depth and cell of a unit."""
    return [variant.layers for variant in _variants(space, name, values)]


def _variants(space: ModelSpace, name: str, values: Values) -> list[_Variant]:
    module = space.get_submodule(name)
    if isinstance(module, Repeat):
        found = []
        for choice, depth in depths_of(module, values, {}):
            inner = _product([_variants(space, f'{name}.blocks.{index}', values) for index in range(depth)])
            found += _joined([_Variant(choice, (), ())], inner)
        return found
    if isinstance(module, LayerChoice) and _chooses_cells(module):
        return [joined for value in allowed(module.label, values, {})
                for joined in _joined([_Variant({module.label: value}, (), (str(value),))],
                                      _variants(space, f'{name}.{value}', values))]
    if is_container(module) and labels_of(module):
        return _product([_variants(space, f'{name}.{key}', values) for key in module._modules])
    return [_Variant({}, (name,), ())]


def _chooses_cells(module: LayerChoice) -> bool:
    """Whether a LayerChoice is among chains of layers with choices of their own, rather than among operations."""
    return any(is_container(module[value]) and structural_labels(module[value]) for value in module.names)


def _product(parts: Sequence[Sequence[_Variant]]) -> list[_Variant]:
    found = [_Variant({}, (), ())]
    for part in parts:
        found = _joined(found, part)
    return found


def _joined(left: Sequence[_Variant], right: Sequence[_Variant]) -> list[_Variant]:
    if len(left) * len(right) > 100 * _MOST_CELLS:
        raise _too_many({**left[0].choice, **right[0].choice})
    return [_Variant(choice, a.layers + b.layers, a.supernet + b.supernet)
            for a in left for b in right for choice in merged([a.choice], [b.choice])]
