"""The chosen network, layer by layer."""

from __future__ import annotations

from ..facts.case import Case
from ..facts.layers import layers_of
from ..page import Picture, Section
from ..pictures.network import draw_network
from ..pictures.style import png, style

__all__ = ['network_section']


def network_section(case: Case) -> Section:
    """The architecture of rank 1."""
    section = Section(key='network', title='The chosen network')
    if not case.folder.entries:
        section.notes.append('Not there yet: nothing is chosen before every path is rated.')
    elif case.setup is None:
        section.notes.append(f'Left out, since the model space cannot be counted again: {case.missing}')
    else:
        layers = layers_of(case.setup, case.folder.entries[0]['architecture'])
        section.text = ('Rank 1, from the image at the top to the classes at the bottom: operation, kernel in pixels, expansion '
                        '(and SE for squeeze-and-excitation), channels and pixels of the output, multiply-adds for one image. At '
                        'the right of a box is the candidate that the search chose there.')
        with style():
            figure = draw_network(layers)
        section.pictures.append(Picture(name='network', png=png(figure), alt='The layers of the architecture of rank 1',
                                        caption='Colours tell kernels apart; bars are to scale.'))
    return section
