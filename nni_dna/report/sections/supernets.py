"""The supernets' training, and what their ratings say."""

from __future__ import annotations

from typing import Sequence

from ..facts.case import Case
from ..facts.folder import CellRatings
from ..page import Picture, Section
from ..pictures.losses import draw_losses
from ..pictures.ratings import MOST_CELLS, draw_ratings, place_in_block
from ..pictures.style import png, style

__all__ = ['losses_section', 'ratings_section']


def losses_section(case: Case) -> Section:
    """Loss curves, a picture per block."""
    section = Section(key='losses', title='Training of the supernets')
    _say_what_is_missing(case, section, 'trained')
    if case.folder.losses:
        section.text = ("The distillation loss: mean squared distance to the teacher's feature map on training images, mean over "
                        'the paths that each epoch sampled. It depends on the scale of the feature map, so blocks cannot be '
                        'compared.')
    for block, losses in case.folder.losses.items():
        with style():
            figure = draw_losses(block, losses)
        section.pictures.append(Picture(
            name=f'losses-{block}', png=png(figure), alt=f'Distillation loss of {block} over the epochs'))
    return section


def ratings_section(case: Case) -> Section:
    """The spread of the ratings, a picture per block."""
    section = Section(key='ratings', title='Ratings of all paths')
    _say_what_is_missing(case, section, 'rated')
    if case.folder.ratings:
        section.text = ('Each tick is a path; where a cell has many, a histogram stands on them, each to the same height'
                        + ('; the diamond is the path that rank 1 takes.' if case.folder.entries else '.')
                        + ' The rating is the L1 distance to the teacher\'s feature map on held-out images, over its standard '
                        'deviation.')
    for block, cells in case.folder.ratings.items():
        with style():
            figure = draw_ratings(block, cells)
        section.pictures.append(Picture(name=f'ratings-{block}', png=png(figure), alt=f'Ratings of the paths of {block} by cell',
                                        caption=_caption(block, cells)))
    return section


def _caption(block: str, cells: Sequence[CellRatings]) -> str:
    place = place_in_block(cells)
    left_out = f' Drawn are the {MOST_CELLS} cells with the best paths, of {len(cells)}.' if len(cells) > MOST_CELLS else ''
    if place is None:
        return f'{block}: nothing is chosen yet.{left_out}'
    number, paths = place
    return f'{block}: the chosen path is number {number:,} of {paths:,} (top {100 * number / paths:.2g}%).{left_out}'


def _say_what_is_missing(case: Case, section: Section, done: str) -> None:
    finished, total = case.folder.progress.counts.get('distill', (0, 0))
    if finished < total or not total:
        section.notes.append(f'Not all there yet: {finished} of {total} distillation tasks are finished; what is not {done} yet '
                             'is left out.' if finished else f'Nothing is {done} yet.')
