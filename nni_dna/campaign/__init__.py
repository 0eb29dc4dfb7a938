"""The campaign: phases, tasks, journal, work folder."""

from .campaign import Campaign
from .tasks import PHASES, Task
from .work import WorkFolder

__all__ = ['Campaign', 'PHASES', 'Task', 'WorkFolder']
