"""Run toy campaigns in this process: what an undisturbed run gives."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import toys

from nni_dna.campaign.campaign import Campaign
from nni_dna.campaign.config import ConfigSetup
from nni_dna.phases import run_campaign, run_task
from nni_dna.settings import read_settings

SCALED = {'space': {'name': 'toys.Scaled'}}
"""The toy space whose supernets have several cells."""


def make_setup(work: Path, definition=None, **changes) -> ConfigSetup:
    """The parts of a toy experiment."""
    return ConfigSetup(read_settings(toys.settings(work, **changes), work.parent), definition or {})


def open_campaign(work: Path, definition=None, **changes) -> Campaign:
    """A campaign that is begun or goes on."""
    return Campaign(make_setup(work, definition, **changes))


def run(campaign: Campaign, task, report=lambda value: None):
    """Do a task as a trial would; returns its final metric."""
    return run_task(campaign.work, task, report,
                    lambda: ConfigSetup.from_record(campaign.work.record(), campaign.work.root))


def run_in_process(work: Path, definition=None, **changes) -> Path:
    """The work folder of a finished campaign."""
    run_campaign(open_campaign(work, definition, **changes))
    return work


def rating_tables(work: Path) -> dict[str, np.ndarray]:
    """The ratings of a work folder, by file."""
    return {str(file.relative_to(work)): np.load(file)['ratings'] for file in sorted(work.rglob('ratings.npz'))}


class Interrupted(Exception):
    """In place of a crash."""


def run_until(campaign: Campaign, task, stop_at: int | None = None):
    """Do a task and close the campaign, interrupted at a report (counted from 1) if asked; its metric and its reports."""
    reports: list[float] = []

    def report(value):
        reports.append(value)
        if len(reports) == stop_at:
            raise Interrupted

    try:
        return run(campaign, task, report), reports
    finally:
        campaign.close()


def do_next(campaign):
    task = campaign.next_task()
    campaign.started(task, campaign.new_parameter_id())
    campaign.finished(task, run(campaign, task))
    return task.id
