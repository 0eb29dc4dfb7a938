"""The searched models over the supernets' training, where the experiment kept them."""

from __future__ import annotations

from ..facts.case import Case
from ..facts.over_training import mean_losses, read_over_training
from ..page import Picture, Section
from ..pictures.over_training import draw_over_training
from ..pictures.style import png, style

__all__ = ['over_training_section']


def over_training_section(case: Case) -> Section | None:
    """Loss, rating and accuracy by epoch; None where the experiment kept no such results."""
    results = read_over_training(case.folder.work.root)
    if not results:
        return None
    with style():
        figure = draw_over_training(results, mean_losses(case.folder.losses), case.quality, case.percent)
    text = 'What the search finds with the ratings of each epoch, and how well that is after training from scratch.'
    return Section(key='over-training', title="The searched models over the supernets' training", text=text,
                   pictures=[Picture(name='over-training', png=png(figure),
                                     alt='Loss, rating and accuracy over the epochs',
                                     caption='Rating and accuracy are those of the best architecture under the limits.')])
