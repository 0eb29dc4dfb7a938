"""What the trials of each phase do: train the teacher, distil and rate cells, retrain winners."""

from .running import run_task

__all__ = ['run_task']
