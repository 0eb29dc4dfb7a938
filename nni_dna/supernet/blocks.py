"""The supernets of all blocks between the teacher's stages.

Block 1 takes the images through the student's own stem, which trains with it. Every other block takes the teacher's feature
map before it through a 1x1 convolution to the student's width; each block's output goes through a 1x1 convolution to the
teacher's width. Both stand in for the wide border layers of the authors' supernet and work for any space.
"""

from __future__ import annotations

import copy
from typing import TYPE_CHECKING, Sequence

from torch import nn
from nni.nas.nn.pytorch import ModelSpace

from ..errors import TeacherError
from ..spaces.chain import Chain
from .supernet import BlockSupernet

if TYPE_CHECKING:
    from .mutator import DNAMutator

__all__ = ['Borders', 'match_stages', 'block_supernet']

Shape = tuple[int, ...]
Borders = Sequence[Sequence[Shape]]
"""Per block some shapes (channels, height, width)."""


def match_stages(chain: Chain, outputs: Borders, stages: Sequence[str],
                 teacher: Sequence[Shape]) -> None:
    """Check that every cell of every block has the resolution of its teacher stage.

    Parameters
    ----------
    chain
        The student's blocks.
    outputs
        Shapes of the blocks' outputs, by cell.
    stages
        Names of the teacher's stages, one per block.
    teacher
        Shapes of the teacher's feature maps.

    Raises
    ------
    TeacherError
        If a resolution differs; the message lists all of them.
    """
    for block, shapes, stage, target in zip(chain.blocks, outputs, stages, teacher):
        for cell, shape in zip(block.cells, shapes):
            if shape[1:] != target[1:]:
                table = '; '.join(f'{name}: {y[1]}x{y[2]}' for name, y in zip(stages, teacher))
                got = 'x'.join(map(str, shape[1:])) or 'no'
                raise TeacherError(f'teacher.stages: {block.name} (cell {cell.name}) gives {got} pixels but '
                                   f'teacher stage {stage!r} gives {target[1]}x{target[2]}; name a stage of that '
                                   f'resolution, or change the strides of the space. Stages: {table}')


def block_supernet(mutator: DNAMutator, space: ModelSpace, chain: Chain, block: int, name: str, inputs: Borders,
                   outputs: Borders, teacher: Sequence[Shape]) -> BlockSupernet:
    """One supernet of a block, with what brings it to the teacher's widths.

    Parameters
    ----------
    mutator
        Makes the supernet.
    space
        The model space; its stem is copied for block 1.
    chain
        Its blocks.
    block, name
        Which supernet.
    inputs, outputs
        Shapes of the blocks' inputs (by border of the block before) and outputs (by cell).
    teacher
        Shapes of the teacher's feature maps.
    """
    if block == 0:
        stem = [copy.deepcopy(space.get_submodule(part)) for part in chain.stem]  # it has no labels
        entry: nn.Module = stem[0] if len(stem) == 1 else nn.Sequential(*stem)
    else:
        width = inputs[block][-1][0]
        entry = nn.Sequential(nn.Conv2d(teacher[block - 1][0], width, 1, bias=False), nn.BatchNorm2d(width))
    own = [index for index, cell in enumerate(chain.blocks[block].cells) if cell.supernet == name]
    widths = [outputs[block][index][0] for index in own]
    exits = {width: nn.Conv2d(width, teacher[block][0], 1) for width in dict.fromkeys(widths)}
    return mutator.supernet(space, chain, block=block, name=name, entry=entry, exits=list(exits.values()),
                            exit_of=[list(exits).index(width) for width in widths])
