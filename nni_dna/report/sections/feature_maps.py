"""Feature maps of teacher and student."""

from __future__ import annotations

from ...errors import NniDnaError
from ..facts.case import Case
from ..facts.feature_maps import BlockMaps, feature_maps
from ..page import Picture, Section
from ..pictures.feature_maps import draw_feature_maps, draw_image
from ..pictures.style import png, style

__all__ = ['feature_maps_section']


def feature_maps_section(case: Case) -> Section:
    """Rank 1's path of each trained supernet beside the teacher."""
    section = Section(key='maps', title='Feature maps of teacher and student')
    if not case.folder.entries:
        section.notes.append('Not there yet: nothing is chosen before every path is rated.')
        return section
    if case.setup is None:
        section.notes.append(f'Left out, since the images and the teacher cannot be made again: {case.missing}')
        return section
    if case.setup.settings.distill.input != 'teacher':
        kind = case.setup.settings.distill.input
        section.notes.append(f'Left out: the blocks learned behind each other (distill.input: {kind}), '
                             "so the teacher's maps are not what they were given.")
        return section
    try:
        image, blocks = feature_maps(case.setup, case.folder.work, case.folder.entries[0]['architecture'])
    except NniDnaError as error:
        section.notes.append(f'Left out: {error}')
        return section
    except Exception as error:  # the user's own loaders and modules
        section.notes.append(f'Left out, since the images or the teacher failed: {type(error).__name__}: {error}')
        return section
    section.text = ("Top: the teacher; bottom: the path that rank 1 takes, in the trained supernet, given the teacher's map "
                    "before the block. Shown are the channels with the highest variance in the teacher's map; the two maps of a "
                    'channel have the same colours, dark for low. The distance is that of the rating, on this image alone.')
    with style():
        picture = draw_image(image)
    section.pictures.append(Picture(name='maps-image', png=png(picture), alt='The held-out image',
                                    caption='The held-out image (each channel stretched from black to white).'))
    for maps in blocks:
        if maps.teacher[0].numel() == 1:
            section.notes.append(f'{maps.block} gives maps of one pixel, which show nothing. Its distance: {maps.distance:.3f}.')
            continue
        with style():
            figure = draw_feature_maps(maps)
        section.pictures.append(Picture(
            name=f'maps-{maps.block}', png=png(figure), alt=f'Feature maps of teacher and student after {maps.block}',
            caption=_caption(maps)))
    return section


def _caption(maps: BlockMaps) -> str:
    _, height, width = maps.teacher.shape
    return f'{maps.block}, {width}\u00d7{height} pixels, teacher stage {maps.stage}: distance {maps.distance:.3f}.'
