"""DNAMutator: from an NNI ModelSpace to block-wise supernets, by NNI's own mutation hooks and supermodules."""

from __future__ import annotations

import copy
from typing import Any, Mapping, Sequence

from torch import nn
from nni.nas.nn.pytorch import ModelSpace, ParametrizedModule
from nni.nas.oneshot.pytorch.strategy import MutationHook, RandomOneShot

from ..spaces.chain import Chain
from ..spaces.reading import cell_module, labels_of
from .cell import CellSupernet

__all__ = ['DNAMutator']


class _Holder(ModelSpace):
    """A model space that holds a part of another one, since NNI mutates whole model spaces only."""

    def __init__(self, part: nn.Module):
        super().__init__()
        self.part = part


def _fix_border(module: nn.Module, border: Mapping[str, Any]) -> None:
    """Make plain modules, in place, of those without a choice of their own: their width is what ``border`` decides.

    NNI would make supermodules of them all, which are slower and slice their weights at every step. Its hooks could do this
    too, but NNI warns of every module that a hook replaces by a plain one.
    """
    for name, child in module.named_children():
        if isinstance(child, ParametrizedModule) and set(labels_of(child)) <= set(border):
            setattr(module, name, child.freeze(dict(border)))
        else:
            _fix_border(child, border)


class DNAMutator:
    """Turn the cells of a model space into supernets, one per block and cell, trained independently of each other.

    Every choice becomes NNI's path-sampling supermodule, so that one path runs at a time on shared weights.

    Parameters
    ----------
    mutation_hooks
        Further hooks, run before NNI's: what they return stands in for a module of the user's own choice type. See
        ``nni.nas.strategy.RandomOneShot``.

    Examples
    --------
    >>> space = build_space('digits', {}, num_classes=10)
    >>> chain = read_chain(space)
    >>> supernet = DNAMutator().supernet(space, chain, block=1, cell=0, entry=entry, exit=exit)
    """

    def __init__(self, mutation_hooks: Sequence[MutationHook] = ()):
        self.mutation_hooks = list(mutation_hooks)

    def supernet(self, space: ModelSpace, chain: Chain, *, block: int, cell: int, entry: nn.Module,
                 exit: nn.Module) -> CellSupernet:
        """The supernet of one cell.

        Parameters
        ----------
        space
            The model space; stays as it is.
        chain
            Its blocks (restricted or not).
        block, cell
            Indices in ``chain``.
        entry
            Runs before the cell: brings the block's input to the width that the cell expects.
        exit
            Runs after the cell: brings its output to the teacher's width.
        """
        own = chain.blocks[block].cells[cell]
        # The first layer is built for the last cell of the block before; `entry` gives it that width.
        border = chain.blocks[block - 1].cells[-1].choice if block else {}
        holder = _Holder(copy.deepcopy(cell_module(space, chain.blocks[block], own)))
        if hasattr(space, 'extra_oneshot_hooks'):  # where NNI's own strategies look for a model space's hooks
            holder.extra_oneshot_hooks = space.extra_oneshot_hooks
        _fix_border(holder, border)
        RandomOneShot(mutation_hooks=self.mutation_hooks).mutate_model(holder)
        layers = [holder.part.get_submodule(layer.name) for layer in own.layers]
        options = [[{**border, **option} for option in layer.options] for layer in own.layers]
        return CellSupernet(entry, layers, options, exit)
