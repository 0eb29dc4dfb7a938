"""What an experiment on ``strategy_toys`` left in its work folder, and tasks that fail in the middle of one."""

from __future__ import annotations

from work_files import events, ranking

TASKS = ['distill/block1/shallow', 'distill/block1/deep', 'distill/block2/only', 'retrain/rank1', 'retrain/rank2']
"""Of an experiment on ``toys.Space``, in their order."""


def rated(work):
    """The ranking as far as no training of the winners has a part in it."""
    return [{key: value for key, value in entry.items() if key not in ('accuracy', 'weights')} for entry in ranking(work)]


def running(work):
    """The task that runs now."""
    return (events(work, 'started') or [''])[-1] if len(events(work, 'started')) > len(events(work, 'finished')) else ''


def fail_in(work, task):
    if running(work) == task:
        raise OSError('the disk is gone')
