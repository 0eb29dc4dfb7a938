"""From a model space and a teacher's stages to the chain of blocks that is searched."""

from __future__ import annotations

import math
from typing import Any, Mapping, Sequence

from nni.nas.nn.pytorch import ModelSpace

from .chain import Chain
from .cutting import Piece, Size, cut
from .files import restrict
from .labels import Values, labels_of, structural_labels
from .reading import read_chain, variants_of
from .subset import limit_paths
from .units import Unit, units_of

__all__ = ['chain_of']


def chain_of(space: ModelSpace, image_shape: tuple[int, ...], *, stages: Sequence[tuple[str, Size]], chosen_stages: bool,
             finer: Sequence[tuple[str, Size]] = (), definition: Mapping[str, Any] | None = None,
             ends: Sequence[str] | None = None, max_paths: int = 20_000, seed: int = 0) -> tuple[Chain, tuple[str, ...]]:
    """The chain of blocks of a model space, and the teacher stage of each block.

    Parameters
    ----------
    space
        The model space, built on the meta device. Where it has an attribute ``block_ends``, it says itself where its blocks
        end.
    image_shape
        (channels, height, width).
    stages
        Names and (height, width) of the teacher's stages, in the order in which they run.
    chosen_stages
        Whether each of them must supervise a block, as the user wants; else they are those to choose from.
    finer
        Likewise these stages and the parts of them that can be stages too, for where blocks are named and the stages are too few.
    definition
        An NNI search space that restricts the model space.
    ends
        Names of the last modules of the blocks; None leaves it to the space, or to the resolutions.
    max_paths
        As many paths of a block are rated.
    seed
        Of the choice of paths where there are more.

    Raises
    ------
    SpaceError, TeacherError
        If the space is no chain of blocks, or the stages do not fit.
    """
    values = restrict(space, definition)
    units = units_of(space, image_shape)
    found = cut(_pieces(space, units, values), stages, chosen_stages=chosen_stages, finer=finer,
                ends=getattr(space, 'block_ends', None) if ends is None else ends, max_paths=max_paths)
    return limit_paths(read_chain(space, found.stem, found.blocks, values), max_paths, seed), found.stages


def _pieces(space: ModelSpace, units: Sequence[Unit], values: Values) -> list[Piece]:
    modules = [space.get_submodule(unit.name) for unit in units]
    labels = [set(labels_of(module)) for module in modules]
    structural = set().union(*(structural_labels(module) for module in modules)) if modules else set()
    pieces = []
    for index, unit in enumerate(units):
        before: set[str] = set().union(*labels[:index])
        after: set[str] = set().union(*labels[index:])
        # A label of an earlier unit is the width that this one is given.
        paths = sum(math.prod(len(values[label]) for label in _labels(space, names) - before)
                    for names in variants_of(space, unit.name, values))
        pieces.append(Piece(name=unit.name, size=unit.size, paths=paths, labelled=bool(labels[index]),
                            tied=bool(structural & before & after), pointwise=unit.pointwise))
    return pieces


def _labels(space: ModelSpace, names: Sequence[str]) -> set[str]:
    return {label for name in names for label in labels_of(space.get_submodule(name))}
