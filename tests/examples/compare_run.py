"""Runs trials of examples/compare on a tiny task, with a channel of its own in NNI's place; prints what was sent and recorded.

A process of its own, since the example changes logging and import paths. Arguments: work folder, strategies.
"""

from __future__ import annotations

import dataclasses
import json
import sys
from pathlib import Path

from nni.runtime.trial_command_channel import TrialCommandChannel, set_default_trial_command_channel

EXAMPLES = Path(__file__).resolve().parent.parent.parent / 'examples'
sys.path.insert(0, str(EXAMPLES / 'compare'))

import trial  # noqa: E402

TINY = dataclasses.replace(
    trial.TASKS['digits'], data={**trial.TASKS['digits'].data, 'holdout_per_class': 50}, widths=(4, 8), depth=1,
    max_madds=60_000, budget=4, short_epochs=1, candidates=5, teacher={'widths': (4, 4, 4, 4, 4, 4)}, teacher_epochs=1,
    recipe={'epochs': 1})
printed = sys.stdout
searching = False


class Channel(TrialCommandChannel):
    """In NNI's place: gives the parameters, keeps what is sent."""

    def __init__(self, strategy):
        self.strategy = strategy
        self.sent = []

    def receive_parameter(self):
        return {'parameter_id': 7, 'parameters': {'strategy': self.strategy, 'seed': 3}}

    def send_metric(self, type, parameter_id, trial_job_id, sequence, value):
        self.sent.append([type, parameter_id, sequence, value])


def refuse_test_images(self):
    assert not searching, 'a search asked for the test images'
    return test_images(self)


def marked_search(*arguments):
    global searching
    searching = True
    try:
        return search(*arguments)
    finally:
        searching = False


test_images, search = trial.SeededTask.test_loader, trial.search
trial.SeededTask.test_loader, trial.search = refuse_test_images, marked_search
trial.TASKS['digits'] = TINY
work, *strategies = sys.argv[1:]
for strategy in strategies:
    channel = Channel(strategy)
    set_default_trial_command_channel(channel)
    sys.argv = ['trial.py', '--work', work]
    trial.main()
    task = trial.SeededTask(TINY, 3)
    found = json.loads((Path(work) / 'records' / f'{strategy}-3.json').read_text())
    print(json.dumps({
        'strategy': strategy, 'sent': channel.sent, 'record': found, 'images': task.images,
        'labels': {label: list(mutable.values) for label, mutable in task.space().simplify().items()},
        'weights': sum(weight.numel() for weight in task.network(found['architecture']).parameters())}), file=printed)
