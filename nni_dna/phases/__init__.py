"""What the trials of each phase do: train the teacher, distil and rate cells, retrain winners."""

from .local import run_campaign
from .running import run_task

__all__ = ['run_campaign', 'run_task']
