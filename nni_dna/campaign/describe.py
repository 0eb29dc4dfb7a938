"""How a model space is cut: the table that is printed before anything is trained."""

from __future__ import annotations

from ..spaces import Block
from .setup import Setup

__all__ = ['describe']

_HEAD = ('block', 'modules', 'cells', 'layers', 'candidates', 'paths', 'rated', 'output', 'teacher stage', 'its output')


def describe(setup: Setup) -> str:
    """The blocks of an experiment as a table.

    Returns
    -------
    str
        Per block: its modules, its cells (depths and widths), the layers of the deepest, the most candidates of a layer, its
        paths and how many of them are rated, the shapes of its outputs, its teacher stage and that one's shape.
    """
    rows = [_HEAD]
    matching = setup.matching
    for block, outputs, stage, target in zip(matching.chain.blocks, setup.shapes.outputs, matching.stages,
                                             matching.teacher_shapes):
        rows.append((block.name, _modules(block), str(len(block.cells)), str(block.layers),
                     str(max(len(layer.options) for cell in block.cells for layer in cell.layers)), f'{block.all_paths:,}',
                     'all' if block.paths == block.all_paths else f'{block.paths:,}',
                     ' '.join(_size(shape) for shape in dict.fromkeys(outputs)), stage, _size(target)))
    widths = [max(len(row[column]) for row in rows) for column in range(len(_HEAD))]
    lines = ['  '.join(text.ljust(width) for text, width in zip(row, widths)).rstrip() for row in rows]
    stem = f'; before the first block: {", ".join(setup.chain.stem)}' if setup.chain.stem else ''
    blocks = f'{len(setup.chain.blocks)} block{"s" if len(setup.chain.blocks) > 1 else ""}'
    return '\n'.join([f'{setup.chain.all_architectures:,} architectures in {blocks}{stem}', *lines])


def _modules(block: Block) -> str:
    first, last = block.modules[0], block.modules[-1]
    return first if first == last else f'{first} to {last}'


def _size(shape: tuple[int, ...]) -> str:
    return 'x'.join(map(str, shape))
