"""Where a chain of units is cut into blocks, and which teacher stage supervises each: by resolution, or as the user says.

Pure functions on names and sizes. A block ends where the resolution changes; units of one resolution are cut further only
where that keeps the paths few enough to rate them all, and where the teacher has a further stage of that resolution.
"""

from __future__ import annotations

import itertools
import math
from dataclasses import dataclass
from typing import Iterable, Sequence

from ..errors import SpaceError, TeacherError, nearest

__all__ = ['Piece', 'Cut', 'cut']

Size = tuple[int, int]


@dataclass(frozen=True, kw_only=True)
class Piece:
    """A unit as the cut sees it.

    Attributes
    ----------
    name
        Name of its module.
    size
        (height, width) of its output; None where it gives no feature map.
    paths
        Number of ways to choose within it; 1 where it is fixed.
    labelled
        Whether it has a label, with one value or more.
    tied
        Whether it shares a choice of an operation or a depth with the unit before it, so that no block may end between them.
    pointwise
        Whether it only normalises or activates what the unit before gives, so that it belongs to the same block.
    """

    name: str
    size: Size | None
    paths: int
    labelled: bool = False
    tied: bool = False
    pointwise: bool = False


@dataclass(frozen=True)
class Cut:
    """Blocks and their stages.

    Attributes
    ----------
    stem
        Names of the modules before the first block.
    blocks
        Names of the modules of each block.
    stages
        The teacher stage of each block.
    """

    stem: tuple[str, ...]
    blocks: tuple[tuple[str, ...], ...]
    stages: tuple[str, ...]


def cut(pieces: Sequence[Piece], stages: Sequence[tuple[str, Size]], *, chosen_stages: bool, ends: Sequence[str] | None,
        max_paths: int, finer: Sequence[tuple[str, Size]] = ()) -> Cut:
    """Cut a chain of units into blocks.

    Parameters
    ----------
    pieces
        The units, in the order in which they run.
    stages
        Names and sizes of the teacher's stages, in the order in which they run.
    chosen_stages
        Whether the user named these stages, so that each must supervise a block; else they are those to choose from.
    ends
        Names of the last modules of the blocks; none leave it to the resolutions.
    max_paths
        As many paths of a block can be rated.
    finer
        Names and sizes of the stages and of their parts, for blocks that are named where there are too few stages of a size.

    Raises
    ------
    SpaceError, TeacherError
        If blocks and stages cannot be matched; the message lists sizes.
    """
    if all(piece.paths == 1 for piece in pieces):
        raise SpaceError('the model space has no choice to make in any module that runs in a chain; add a LayerChoice, or '
                         'leave more than one value to a label of the search space')
    if not ends:
        matched = _by_size(pieces, stages, chosen_stages, max_paths)
    else:
        blocks = _given(pieces, ends)
        matched = list(zip(blocks, [name for name, _ in stages] if chosen_stages else _stages_for(pieces, blocks, stages, finer)))
        if len(matched) != len(blocks) or (chosen_stages and len(stages) != len(blocks)):
            raise TeacherError(f'teacher.stages: expected one stage for each of the {len(blocks)} blocks of the space, got '
                               f'{len(stages)}: {", ".join(name for name, _ in stages)}; name one for each, or change '
                               'space.blocks')
    order = [[name for name, _ in finer or stages].index(stage) for _, stage in matched]
    if order != sorted(set(order)):
        raise TeacherError('teacher.stages: no stages have the sizes of the blocks in the order in which these run '
                           f'({", ".join(_text(pieces[block[-1]].size) for block, _ in matched)}); cut the blocks elsewhere '
                           f'(space.blocks), or take another teacher. Stages: {_sizes(stages)}')
    start = matched[0][0].start
    return Cut(stem=tuple(piece.name for piece in pieces[:start]),
               blocks=tuple(tuple(pieces[index].name for index in block) for block, _ in matched),
               stages=tuple(stage for _, stage in matched))


def _first_labelled(pieces: Sequence[Piece]) -> int:
    return next(index for index, piece in enumerate(pieces) if piece.labelled)


def _given(pieces: Sequence[Piece], ends: Sequence[str]) -> list[range]:
    """The blocks whose last modules are named."""
    blocks: list[range] = []
    for name in ends:
        inside = [index for index, piece in enumerate(pieces) if piece.name == name or piece.name.startswith(f'{name}.')]
        if not inside:
            raise SpaceError(f'space.blocks: no module {name!r} is among those that run one after another; '
                             f'{nearest(name, [piece.name for piece in pieces])}')
        start = blocks[-1].stop if blocks else min(_first_labelled(pieces), inside[0])
        if inside[-1] < start:
            raise SpaceError(f'space.blocks: expected the last module of each block, in the order in which they run; {name!r} is '
                             'not behind the one before it; name them in their order')
        blocks.append(range(start, inside[-1] + 1))
    return blocks


def _stages_for(pieces: Sequence[Piece], blocks: Sequence[range], stages: Sequence[tuple[str, Size]],
                finer: Sequence[tuple[str, Size]]) -> list[str]:
    """The stages that fit blocks which the user or the space named."""
    sizes = [pieces[block[-1]].size for block in blocks]
    found: list[str] = []
    for size, count in _repeats(sizes):
        fitting = _of_size(stages, size)
        found += _spread(fitting if len(fitting) >= count or not finer else _of_size(finer, size), count, size, stages)
    return found


def _by_size(pieces: Sequence[Piece], stages: Sequence[tuple[str, Size]], chosen: bool,
             max_paths: int) -> list[tuple[range, str]]:
    start = _first_labelled(pieces)
    last = max(index for index, piece in enumerate(pieces) if piece.paths > 1 or piece.tied)
    while last + 1 < len(pieces) and pieces[last + 1].pointwise:
        last += 1
    matched: list[tuple[range, str]] = []
    position = start
    for size, count in _repeats([piece.size for piece in pieces[start:last + 1]]):
        own = range(position, position + count)
        position += count
        fitting = _of_size(stages, size)
        whole = range(start, own.stop)
        if not fitting or all(pieces[index].paths == 1 for index in whole):
            continue  # it becomes the beginning of the next block
        parts = _parts(pieces, whole, own, len(fitting), chosen, max_paths)
        if chosen and len(parts) < len(fitting):
            raise TeacherError(f'teacher.stages: {len(fitting)} stages give {_text(size)}, but the space can be cut '
                               f'into {len(parts)} block{"s" if len(parts) > 1 else ""} of that size only; name fewer stages')
        matched += zip(parts, _spread(fitting, len(parts), size, stages))
        start = own.stop
    if chosen and len(matched) < len(stages):
        unused = next(name for name, _ in stages if name not in {stage for _, stage in matched})
        raise TeacherError(f'teacher.stages: stage {unused!r} gives {_text(dict(stages)[unused])}, and no block of the '
                           'space that has a choice does; modules of the space: '
                           f'{_sizes((p.name, p.size) for p in pieces[:last + 1])}')
    if any(pieces[index].paths > 1 for index in range(start, last + 1)):
        remedy = '' if pieces[last].size is None else 'name a stage of that size, or '
        raise TeacherError(f'teacher.stages: no stage gives what module {pieces[last].name!r} of the space gives, which has a '
                           f'choice to make ({_text(pieces[last].size)}); {remedy}give the labels behind the last stage a '
                           f'single value in the search space. Stages: {_sizes(stages)}')
    return matched


def _parts(pieces: Sequence[Piece], whole: range, own: range, most: int, chosen: bool, max_paths: int) -> list[range]:
    """Cut units of one size into at most ``most`` blocks, none larger than it must be.

    ``whole`` is ``own`` with what came before it at sizes that no stage has.
    """
    best = [whole]
    for count in range(1, most + 1):
        if not chosen and _largest(pieces, best) <= max_paths:
            break
        parts = _balanced(pieces, whole, own, count)
        if parts is None:
            break
        best = parts
    return best


def _largest(pieces: Sequence[Piece], parts: Sequence[range]) -> int:
    return max(math.prod(pieces[index].paths for index in part) for part in parts)


def _balanced(pieces: Sequence[Piece], whole: range, own: range, count: int) -> list[range] | None:
    """The cut into ``count`` parts, each with a choice, whose largest part has the fewest paths; None if there is none."""
    ends = [index + 1 for index in own
            if index + 1 < whole.stop and not pieces[index + 1].tied and not pieces[index + 1].pointwise]
    # By dynamic programming: the best cut of a beginning of the units into so many parts.
    best: dict[int, list[range]] = {whole.start: []}
    for number in range(1, count + 1):
        grown: dict[int, list[range]] = {}
        for end in ([*ends, whole.stop] if number < count else [whole.stop]):
            options = [[*parts, range(start, end)] for start, parts in best.items()
                       if start < end and any(pieces[index].paths > 1 for index in range(start, end))]
            if options:
                grown[end] = min(options, key=lambda parts: _largest(pieces, parts))
        best = grown
    return best.get(whole.stop)


def _spread(fitting: Sequence[str], count: int, size: Size | None, stages: Sequence[tuple[str, Size]]) -> list[str]:
    """``count`` of the stages of one size, spread evenly, the last of them included."""
    if len(fitting) < count:
        raise TeacherError(f'teacher.stages: expected a stage of {_text(size)} for each of {count} blocks that give this, '
                           f'got {len(fitting)}; join blocks (space.blocks), change data.image_size, or take another '
                           f'teacher. Stages: {_sizes(stages)}')
    return [fitting[math.ceil((index + 1) * len(fitting) / count) - 1] for index in range(count)]


def _of_size(stages: Sequence[tuple[str, Size]], size: Size | None) -> list[str]:
    return [name for name, other in stages if other == size]


def _repeats(sizes: Sequence[Size | None]) -> list[tuple[Size | None, int]]:
    """Each size with how often it comes in a row."""
    return [(size, len(list(group))) for size, group in itertools.groupby(sizes)]


def _text(size: Size | None) -> str:
    return 'no feature map' if size is None else f'{size[0]}x{size[1]} pixels'


def _sizes(named: Iterable[tuple[str, Size | None]]) -> str:
    return '; '.join(f'{name}: {_text(size).removesuffix(" pixels")}' for name, size in named)
