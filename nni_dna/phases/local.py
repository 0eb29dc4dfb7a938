"""Run a whole campaign in this process, task after task: without NNI, for benchmarks and tests."""

from __future__ import annotations

from ..campaign.campaign import Campaign
from ..campaign.config import ConfigSetup
from .running import run_task

__all__ = ['run_campaign']


def run_campaign(campaign: Campaign) -> None:
    """Do all that is left of a campaign.

    Parameters
    ----------
    campaign
        Goes to its end; what was finished is not done again.

    Raises
    ------
    Exception
        What a task raised; nothing is tried again.
    """
    while (task := campaign.next_task()) is not None:
        campaign.started(task, campaign.new_parameter_id())
        campaign.finished(task, run_task(campaign.work, task, lambda value: None,
                                         lambda: ConfigSetup.from_record(campaign.work.record(), campaign.work.root)))
