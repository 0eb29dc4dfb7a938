"""Rating and accuracy against the costs."""

from __future__ import annotations

from ...cost import COSTS
from ...errors import NniDnaError
from ...searching import pareto_front
from ..facts.case import Case
from ..facts.published_models import IMAGENET_CLASSES, PUBLISHED_MODELS
from ..page import Picture, Section
from ..pictures.style import png, style
from ..pictures.tradeoff import draw_accuracy, draw_rating

__all__ = ['tradeoff_section']

_AXES = {'params': 'parameters', 'madds': 'multiply-adds for one image'}


def tradeoff_section(case: Case) -> Section:
    """Rating against each cost with the Pareto front; accuracy against each cost, where something is retrained."""
    section = Section(key='tradeoff', title='Against size and computation')
    if case.folder.ranking is None:
        section.notes.append('Not there yet: it needs the ratings of all blocks.')
        return section
    fronts = _fronts(case, section)
    for cost in COSTS:
        with style():
            figure = draw_rating(_AXES[cost], fronts.get(cost, []),
                                 [(entry[cost], entry['rating']) for entry in case.folder.entries], _limit(case, cost))
        section.pictures.append(Picture(
            name=f'rating-{cost}', png=png(figure), alt=f'Rating of the ranked architectures against {_AXES[cost]}',
            caption=f'Rating against {_AXES[cost]}. The line is the exact Pareto front over all architectures, limits aside.'
            if cost in fronts else f'Rating against {_AXES[cost]}.'))
    _draw_accuracies(case, section)
    return section


def _draw_accuracies(case: Case, section: Section) -> None:
    assert case.folder.ranking is not None
    retrained = [entry for entry in case.folder.entries if entry['accuracy'] is not None]
    if not retrained:
        section.notes.append('Nothing is retrained yet, so there is no accuracy to show.')
        return
    comparable = case.folder.ranking['num_classes'] == IMAGENET_CLASSES and case.percent
    for cost in COSTS:
        published = [(model.name, getattr(model, cost), model.accuracy) for model in PUBLISHED_MODELS] if comparable else []
        with style():
            figure = draw_accuracy(_AXES[cost], case.quality, case.percent,
                                   [(entry['rank'], entry[cost], entry['accuracy']) for entry in retrained], published,
                                   _limit(case, cost))
        section.pictures.append(Picture(
            name=f'accuracy-{cost}', png=png(figure), alt=f'{case.quality} against {_AXES[cost]}',
            caption=f'{case.quality.capitalize()} against {_AXES[cost]}; larger is better.' + (
                f' Grey: {", ".join(name for name, _, _ in published)}, as published for ImageNet at 224 pixels.'
                if published else '')))


def _fronts(case: Case, section: Section) -> dict[str, list[tuple[float, float]]]:
    """Of each cost, (cost, rating) of all best trade-offs, limits aside."""
    if case.folder.notices:
        section.notes.append('The Pareto front is left out, since results are damaged.')
        return {}
    assert case.folder.ranking is not None
    lifted = dict.fromkeys(case.folder.ranking['limits'])
    try:
        return {cost: [(point[cost], point['rating']) for point in pareto_front(case.folder.work.root, cost, **lifted)['front']]
                for cost in COSTS}
    except NniDnaError as error:
        section.notes.append(f'The Pareto front is left out: {error}')
        return {}


def _limit(case: Case, cost: str) -> float | None:
    assert case.folder.ranking is not None
    return case.folder.ranking['limits'][f'max_{cost}']
