"""What feeds the blocks, and what they are to give: the teacher's feature maps, or those of searched blocks."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Iterable, Sequence

import torch
from torch import nn

from ..supernet.supernet import BlockSupernet
from ..teacher.stages import StagedTeacher
from .sampling import SupernetKey

__all__ = ['BlockInputs', 'SearchedBlock']


@dataclass(frozen=True, kw_only=True, eq=False)
class SearchedBlock:
    """A block whose path is decided.

    Attributes
    ----------
    supernet
        Trained; its BatchNorm buffers hold the statistics of the path.
    cell, path
        The path: index of the cell among those of the supernet, one option per layer.
    """

    supernet: BlockSupernet
    cell: int
    path: tuple[int, ...]


class BlockInputs(nn.Module):
    """The input and the target of each block for a batch of images.

    The target of block i is the teacher's feature map Y_i. Its input is Y_(i-1), or the output of the searched blocks before it,
    in the teacher's width. All of it is frozen and in evaluation mode.

    Parameters
    ----------
    teacher
        Gives the feature maps.
    searched
        The first blocks, searched; the block behind them is fed by them. None where the teacher feeds all blocks.
    supernets
        Those that are fed: the teacher runs up to the stage of the last one's block.
    """

    def __init__(self, teacher: StagedTeacher, searched: Sequence[SearchedBlock] | None, supernets: Iterable[SupernetKey]):
        super().__init__()
        self.teacher = teacher
        self._searched = searched
        self._blocks = 1 + max(block for block, _ in supernets)
        self.supernets = nn.ModuleList(block.supernet for block in searched or ()).requires_grad_(False)
        self.train(False)

    def train(self, mode: bool = True) -> BlockInputs:
        """Stay in evaluation mode, whatever the module around says; the teacher takes note of it as it does alone."""
        super().train(False)
        self.teacher.train(mode)
        return self

    @torch.no_grad()
    def forward(self, images: torch.Tensor) -> tuple[list[torch.Tensor], list[torch.Tensor]]:
        """The inputs of the blocks, as far as they are known, and their targets.

        Parameters
        ----------
        images
            (batch, channels, height, width); the input of block 1.

        Returns
        -------
        tuple of list of torch.Tensor
            Per block (batch, channels, height, width) each.
        """
        targets = self.teacher(images, self._blocks)
        if self._searched is None:
            return [images, *targets[:-1]], targets
        inputs = [images]
        for block in self._searched:
            inputs.append(block.supernet(inputs[-1], block.cell, block.path))
        return inputs, targets
