"""The head of the page: state and settings in short."""

from __future__ import annotations

import time
from typing import Any

from ...campaign.tasks import PHASES
from ...show import duration
from ..facts.case import Case
from ..pictures.style import amount

__all__ = ['settings_of', 'state_of', 'title_of']


def title_of(case: Case) -> str:
    """Space and teacher."""
    settings = case.folder.settings
    return f'DNA: {_last(settings["space"]["name"])}, taught by {_last(settings["teacher"]["name"])}'


def state_of(case: Case) -> str:
    """How far the experiment is."""
    progress = case.folder.progress
    if progress.phase == 'done':
        return 'The experiment is finished.'
    counts = ', '.join(f'{phase} {done} of {total}' for phase, (done, total) in progress.counts.items())
    return (f'The experiment is not finished: it is in the phase {progress.phase}'
            + (f' (tasks done: {counts})' if counts else '') + '. What is not there yet is said below.')


def settings_of(case: Case) -> list[tuple[str, str]]:
    """Names and values."""
    settings = case.folder.settings
    search = settings['search']
    limits = [f'{amount(search[name])} {what}' for name, what in (('max_params', 'parameters'), ('max_madds', 'multiply-adds'))
              if search[name]]
    found = [
        ('model space', _space(case)),
        ('images', _images(settings)),
        ('teacher', _teacher(case)),
        ('distillation', f'{_epochs(settings)}, learning rate {settings["distill"]["lr_first"]:g} in the first block, '
                         f'{settings["distill"]["lr"]:g} in the others'),
        ('rated paths', _paths(case)),
        ('limits', ', '.join(limits) or 'none'),
        ('retraining', _retraining(settings)),
        ('seed', str(settings['seed'])),
        ('times', _times(case)),
    ]
    return [(name, value) for name, value in found if value]


def _last(name: str) -> str:
    """The name at the end of an import path."""
    return name.replace(':', '.').rpartition('.')[2]


def _space(case: Case) -> str:
    name = case.folder.settings['space']['name']
    count = case.folder.ranking['architectures_in_space'] if case.folder.ranking else \
        case.setup.chain.all_architectures if case.setup else None
    return name + (f': {count:,} architectures' if count is not None else '')


def _images(settings: Any) -> str:
    if 'data' in settings:
        data = settings['data']
        return f'{data["name"]}, {data["image_size"]} pixels, {data["holdout_per_class"]} of each class held out'
    return 'from the loaders of the NasExperiment; rated on the validation batches'


def _teacher(case: Case) -> str:
    teacher = case.folder.settings['teacher']
    how = {'train': 'trained in the first phase', 'pretrained': 'pretrained'}.get(teacher['weights'], 'weights from a file')
    reached = case.folder.teacher_accuracy
    return f'{teacher["name"]}, {how}' + (f', {reached:.2%} on {_judges(case)}' if reached is not None and case.percent else '')


def _judges(case: Case) -> str:
    return 'the validation images' if case.has_evaluator else 'the held-out images'


def _epochs(settings: Any) -> str:
    epochs = settings['distill']['epochs']
    return f'{epochs} epochs' if epochs else "the evaluator's epochs"


def _paths(case: Case) -> str:
    if case.folder.ranking:
        counts = [(block['rated'], block['of']) for block in case.folder.ranking['paths'].values()]
    elif case.setup:
        counts = [(block.paths, block.all_paths) for block in case.setup.chain.blocks]
    else:
        return ''
    rated, everything = (sum(column) for column in zip(*counts))
    part = 'all' if rated == everything else f'{rated:,} of'
    return f'{part} {everything:,} in {len(counts)} block{"s" if len(counts) > 1 else ""}'


def _retraining(settings: Any) -> str:
    if 'retrain' not in settings:
        return f"the best {settings['search']['top_k']}, by the experiment's evaluator"
    retrain, best = settings['retrain'], settings['search']['top_k']
    changed = ', '.join(f'{key} {value}' for key, value in retrain.items() if key != 'recipe' and value is not None)
    return f'the best {best}, recipe {retrain["recipe"]}' + (f' ({changed})' if changed else '')


def _times(case: Case) -> str:
    spent = case.folder.progress.durations
    parts = [f'{phase} {duration(sum(spent[phase]))} in {len(spent[phase])} task{"s" if len(spent[phase]) > 1 else ""}'
             for phase in PHASES if phase in spent]
    if not parts or case.folder.started is None or case.folder.last is None:
        return ''
    begun, last = (time.strftime('%Y-%m-%d %H:%M', time.gmtime(moment)) for moment in (case.folder.started, case.folder.last))
    return f'{"; ".join(parts)} (each task\'s time, added up); from {begun} to {last} UTC'
