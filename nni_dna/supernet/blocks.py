"""The supernets of all cells between the teacher's stages.

Block 1 takes the images through the student's own stem, which trains with it. Every other block takes the teacher's feature
map before it through a 1x1 convolution to the student's width; each block's output goes through a 1x1 convolution to the
teacher's width. Both stand in for the wide border layers of the authors' supernet and work for any space.
"""

from __future__ import annotations

import copy
from typing import Sequence

from torch import nn
from nni.nas.nn.pytorch import ModelSpace

from ..errors import TeacherError
from ..spaces.chain import Chain
from .cell import CellSupernet
from .mutator import DNAMutator

__all__ = ['Borders', 'match_stages', 'cell_supernet']

Shape = tuple[int, ...]
Borders = Sequence[Sequence[Shape]]
"""Per block and cell a shape (channels, height, width)."""


def match_stages(chain: Chain, outputs: Borders, stages: Sequence[str],
                 teacher: Sequence[Shape]) -> None:
    """Check that every block has the resolution of its teacher stage.

    Parameters
    ----------
    chain
        The student's blocks.
    outputs
        Shapes of the blocks' outputs, by cell.
    stages
        Names of the teacher's stages.
    teacher
        Shapes of the teacher's feature maps.

    Raises
    ------
    TeacherError
        If their number or a resolution differs; the message lists all of them.
    """
    if len(stages) != len(chain.blocks):
        raise TeacherError(f'teacher.stages: expected one stage for each of the {len(chain.blocks)} blocks of the space, got '
                           f'{len(stages)}: {", ".join(stages)}')
    for block, shapes, stage, target in zip(chain.blocks, outputs, stages, teacher):
        for cell, shape in zip(block.cells, shapes):
            if shape[1:] != target[1:]:
                table = '; '.join(f'{name}: {y[1]}x{y[2]}' for name, y in zip(stages, teacher))
                raise TeacherError(f'teacher.stages: {block.name} (cell {cell.name}) gives {shape[1]}x{shape[2]} pixels but '
                                   f'teacher stage {stage!r} gives {target[1]}x{target[2]}; name a stage of that '
                                   f'resolution, or change the strides of the space. Stages: {table}')


def cell_supernet(mutator: DNAMutator, space: ModelSpace, chain: Chain, block: int, cell: int, inputs: Borders,
                  outputs: Borders, teacher: Sequence[Shape]) -> CellSupernet:
    """The supernet of one cell, with what brings it to the teacher's widths.

    Parameters
    ----------
    mutator
        Makes the supernet.
    space
        The model space; its stem is copied for block 1.
    chain
        Its blocks.
    block, cell
        Which cell.
    inputs, outputs
        Shapes of the blocks' inputs (by cell of the block before) and outputs (by cell).
    teacher
        Shapes of the teacher's feature maps.
    """
    if block == 0:
        entry: nn.Module = copy.deepcopy(space.get_submodule(chain.stem)) if chain.stem else nn.Identity()
    else:
        width = inputs[block][-1][0]
        entry = nn.Sequential(nn.Conv2d(teacher[block - 1][0], width, 1, bias=False), nn.BatchNorm2d(width))
    exit = nn.Conv2d(outputs[block][cell][0], teacher[block][0], 1)
    return mutator.supernet(space, chain, block=block, cell=cell, entry=entry, exit=exit)
