"""DNASpace: blocks that choose one of several cells, cells that are chains of inverted residuals.

Depth and width vary through the cells instead of an identity candidate, which would make the supernet hard to
converge (Li et al., CVPR 2020, section 3.3). It is an ordinary NNI ModelSpace.
"""

from __future__ import annotations

import re
from typing import Mapping, Sequence

import torch
from torch import nn
from nni.mutable import Categorical, MutableExpression, label_scope
from nni.nas.nn.pytorch import LayerChoice, ModelSpace, MutableLinear

from ..errors import SpaceError
from .mbconv import ConvBN, MBConv, Width

__all__ = ['DNASpace']

_CELL = re.compile(r'([1-9]\d*)x([1-9]\d*)')


class DNASpace(ModelSpace):
    """The model space of the DNA paper, for any table of cells.

    Labels: ``block{i}/cell`` picks the cell of block ``i`` (counted from 1; only where there are several), and
    ``block{i}/{cell}/layer{j}`` picks the operation of that cell's layer ``j``, named ``k{kernel}e{expansion}``.

    Parameters
    ----------
    blocks
        One mapping per block: ``{'stride': 2, 'cells': ['2x24', '3x24']}``; a cell is written ``LAYERSxWIDTH``, and
        its first layer carries the block's stride.
    kernel_sizes, expansions
        The candidates of every layer are their product.
    stem_width, stem_stride
        Of the 3x3 convolution on the image.
    first_width
        Width of the fixed depthwise-separable convolution after the stem; 0 leaves it out.
    head_width
        Of the 1x1 convolution before the pooling.
    dropout
        Probability of dropping a feature before the classifier.
    in_channels, num_classes
        Of the images and of the task.

    Raises
    ------
    SpaceError
        If the table of cells cannot be read.
    """

    def __init__(self, blocks: Sequence[Mapping], kernel_sizes: Sequence[int] = (3, 5, 7),
                 expansions: Sequence[int] = (3, 6), stem_width: int = 32, stem_stride: int = 2, first_width: int = 16,
                 head_width: int = 1280, dropout: float = 0.2, in_channels: int = 3, num_classes: int = 1000):
        super().__init__()
        candidates = [(kernel, expansion) for kernel in kernel_sizes for expansion in expansions]
        stem: list[nn.Module] = [ConvBN(in_channels, stem_width, 3, stride=stem_stride)]
        if first_width:
            stem.append(MBConv(stem_width, first_width, 3, 1))
        self.stem = nn.Sequential(*stem)
        width: Width = first_width or stem_width
        built: list[nn.Module] = []
        for number, block in enumerate(blocks, start=1):
            with label_scope(f'block{number}'):
                module, width = _block(f'block{number}', block, width, candidates)
            built.append(module)
        self.blocks = nn.Sequential(*built)
        self.block_ends = [f'blocks.{index}' for index in range(len(built))]
        self.head = ConvBN(width, head_width, 1)
        self.pool = nn.AdaptiveAvgPool2d(1)
        self.dropout = nn.Dropout(dropout)
        self.classifier = MutableLinear(head_width, num_classes)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        x = self.head(self.blocks(self.stem(x)))
        return self.classifier(self.dropout(torch.flatten(self.pool(x), 1)))


def _block(name: str, table: Mapping, in_width: Width,
           candidates: Sequence[tuple[int, int]]) -> tuple[nn.Module, Width]:
    """Build one block; return it with the width that it hands on."""
    if not isinstance(table, Mapping) or set(table) != {'stride', 'cells'} or not isinstance(table['cells'], Sequence) \
            or isinstance(table['cells'], str) or not table['cells']:
        raise SpaceError(f"{name}: expected a mapping with 'stride' and a non-empty list of 'cells', got {table!r}; "
                         "write for example {stride: 2, cells: [2x24, 3x24]}")
    if not isinstance(table['stride'], int) or table['stride'] < 1:
        raise SpaceError(f"{name}: expected a stride that is a whole number of at least 1, got {table['stride']!r}")
    cells: dict[str, nn.Module] = {}
    widths: dict[str, int] = {}
    for cell in table['cells']:
        match = _CELL.fullmatch(str(cell))
        if match is None:
            raise SpaceError(f'{name}: expected a cell written LAYERSxWIDTH, such as 3x24, got {cell!r}')
        depth, width = int(match[1]), int(match[2])
        if str(cell) in cells:
            raise SpaceError(f'{name}: expected different cells, got {cell} twice')
        with label_scope(str(cell)):
            cells[str(cell)] = _cell(depth, in_width, width, table['stride'], candidates)
        widths[str(cell)] = width
    if len(cells) == 1:
        return next(iter(cells.values())), next(iter(widths.values()))
    choice = Categorical(list(cells), label='cell')
    return LayerChoice(cells, label='cell'), MutableExpression(widths.__getitem__, f'width_of[{name}]({{}})', [choice])


def _cell(depth: int, in_width: Width, width: int, stride: int,
          candidates: Sequence[tuple[int, int]]) -> nn.Sequential:
    layers = []
    for position in range(depth):
        layer_in: Width = width if position else in_width
        layers.append(LayerChoice({
            f'k{kernel}e{expansion}': MBConv(layer_in, width, kernel, expansion, stride=1 if position else stride,
                                             residual=position > 0)
            for kernel, expansion in candidates
        }, label=f'layer{position + 1}'))
    return nn.Sequential(*layers)
