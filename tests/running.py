"""Run a toy campaign in this process, task after task: what an undisturbed run gives."""

from __future__ import annotations

from pathlib import Path

import toys

from nni_dna.campaign.campaign import Campaign
from nni_dna.phases import run_task
from nni_dna.settings import read_settings


def run_in_process(work: Path, definition=None, **changes) -> Path:
    campaign = Campaign(read_settings(toys.settings(work, **changes), work.parent), definition or {})
    while not campaign.done:
        task = campaign.next_task()
        campaign.started(task, campaign.new_parameter_id())
        campaign.finished(task, run_task(campaign.work, task, lambda value: None))
    return work
