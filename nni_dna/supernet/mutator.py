"""DNAMutator: from an NNI ModelSpace to block-wise supernets, by NNI's own mutation hooks and supermodules."""

from __future__ import annotations

import copy
from dataclasses import dataclass
from typing import Any, Mapping, Sequence

from torch import nn
from nni.nas.nn.pytorch import ModelSpace, ParametrizedModule
from nni.nas.oneshot.pytorch.strategy import MutationHook

from ..cost import border_shapes
from ..errors import SpaceError
from ..spaces.chain import Cell, Chain
from ..spaces.labels import labels_of
from ..teacher import StagedTeacher
from .blocks import block_supernet, match_stages
from .matching import Matching, match
from .supermodules import PathOneShot, check_supermodules
from .supernet import BlockSupernet, CellPlan

__all__ = ['BlockwiseSupernet', 'DNAMutator']


@dataclass(frozen=True, kw_only=True, eq=False)
class BlockwiseSupernet:
    """The supernets of all blocks behind their teacher.

    Attributes
    ----------
    matching
        The chain of blocks, and their teacher stages.
    teacher
        Gives the feature maps that each block takes and imitates.
    blocks
        The supernets by (block, index within the block), as `distill.BlockwiseDistillation` takes them.
    """

    matching: Matching
    teacher: StagedTeacher
    blocks: Mapping[tuple[int, int], BlockSupernet]


class _Holder(ModelSpace):
    """A model space that holds parts of another one, since NNI mutates whole model spaces only."""

    def __init__(self, parts: Sequence[nn.Module]):
        super().__init__()
        self.parts = nn.ModuleList(parts)


def _make_plain(module: nn.Module, given: Mapping[str, Any]) -> None:
    """Make plain modules, in place, of those without an open choice.

    NNI would make supermodules of them all, which are slower and slice their weights at every step. Its hooks could do this
    too, but NNI warns of every module that a hook replaces by a plain one.
    """
    for name, child in module.named_children():
        if isinstance(child, ParametrizedModule) and set(labels_of(child)) <= set(given):
            setattr(module, name, child.freeze(dict(given)))
        else:
            _make_plain(child, given)


class DNAMutator:
    """Turn the blocks of a model space into supernets, trained independently of each other.

    Every choice becomes NNI's path-sampling supermodule, so that one path runs at a time on shared weights.

    Parameters
    ----------
    mutation_hooks
        Further hooks, run before NNI's: what they return stands in for a module of the user's own choice type. See
        ``nni.nas.strategy.RandomOneShot``.

    Examples
    --------
    >>> teacher = torchvision.models.efficientnet_b0(weights='DEFAULT')
    >>> supernet = DNAMutator().mutate(ProxylessNAS(), teacher, (3, 224, 224))
    >>> supernet.matching.stages
    ('features.2', 'features.3', 'features.4', 'features.5', 'features.8')
    >>> images, maps = ..., supernet.teacher(images)
    >>> student = supernet.blocks[1, 0](maps[0], cell=3, path=(0, 2, 1, 5))     # to be compared with maps[1]
    """

    def __init__(self, mutation_hooks: Sequence[MutationHook] = ()):
        self.mutation_hooks = list(mutation_hooks)

    def mutate(self, space: ModelSpace, teacher: nn.Module, image_shape: tuple[int, int, int], *,
               stages: Sequence[str] | None = None, ends: Sequence[str] | None = None,
               definition: Mapping[str, Any] | None = None) -> BlockwiseSupernet:
        """The block-wise supernet of a model space.

        Parameters
        ----------
        space
            The model space; stays as it is.
        teacher
            What supervises the blocks; it is frozen.
        image_shape
            (channels, height, width).
        stages, ends, definition
            As of :func:`nni_dna.supernet.match`.

        Raises
        ------
        SpaceError, TeacherError
            If the space is no chain of blocks, the teacher cannot run, or the two do not fit.
        """
        meta = copy.deepcopy(space).to('meta')
        matching = match(meta, teacher, image_shape, stages=stages, ends=ends, definition=definition)
        shapes = border_shapes(meta, matching.chain, image_shape)
        match_stages(matching.chain, shapes.outputs, matching.stages, matching.teacher_shapes)
        blocks = {(b, s): block_supernet(self, space, matching.chain, b, name, shapes.inputs, shapes.outputs,
                                         matching.teacher_shapes) for b, s, _, name in matching.chain.supernets()}
        return BlockwiseSupernet(matching=matching, teacher=StagedTeacher(teacher, matching.stages), blocks=blocks)

    def supernet(self, space: ModelSpace, chain: Chain, *, block: int, name: str, entry: nn.Module,
                 exits: Sequence[nn.Module], exit_of: Sequence[int] | None = None) -> BlockSupernet:
        """One supernet of a block.

        Parameters
        ----------
        space
            The model space; stays as it is.
        chain
            Its blocks.
        block, name
            Index of the block, and which of its ``supernets``.
        entry
            Runs before the cells: brings the block's input to the width that they expect (that of the last choice of the
            block before).
        exits
            One per width of the cells' output: brings it to the teacher's width.
        exit_of
            For each cell of the supernet the index of its exit; None where there is one exit.

        Raises
        ------
        SpaceError
            If NNI cannot turn a module of the space into a supermodule that computes the same.
        """
        own = chain.blocks[block]
        cells = own.cells_of(name)
        names = list(dict.fromkeys(layer.name for cell in cells for layer in cell.layers))
        holder = _Holder([copy.deepcopy(space.get_submodule(layer)) for layer in names])
        if hasattr(space, 'extra_oneshot_hooks'):  # where NNI's own strategies look for a model space's hooks
            holder.extra_oneshot_hooks = space.extra_oneshot_hooks
        _make_plain(holder, {**own.incoming, **_single(cells)})
        try:
            PathOneShot(mutation_hooks=self.mutation_hooks).mutate_model(holder)
        except TypeError as error:
            raise SpaceError(f'{own.name}: {error} Give a hook that makes it one: mutation_hooks of DNA or DNAMutator, or '
                             'extra_oneshot_hooks of the model space') from error
        check_supermodules(holder)
        plans = [CellPlan(layers=[layer.name for layer in cell.layers], exit=exit_of[index] if exit_of else 0,
                          options=[[{**own.incoming, **cell.choice, **option} for option in layer.options]
                                   for layer in cell.layers])
                 for index, cell in enumerate(cells)]
        return BlockSupernet(entry, dict(zip(names, holder.parts)), exits, plans)


def _single(cells: Sequence[Cell]) -> dict[str, Any]:
    """The labels that have one and the same value on every path."""
    seen: dict[str, list[Any]] = {}
    for cell in cells:
        for choice in (cell.choice, *(option for layer in cell.layers for option in layer.options)):
            for label, value in choice.items():
                values = seen.setdefault(label, [])
                if value not in values:
                    values.append(value)
    return {label: values[0] for label, values in seen.items() if len(values) == 1}
