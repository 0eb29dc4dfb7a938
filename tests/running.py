"""Run a toy campaign in this process: what an undisturbed run gives."""

from __future__ import annotations

from pathlib import Path

import toys

from nni_dna.campaign.campaign import Campaign
from nni_dna.campaign.config import ConfigSetup
from nni_dna.phases import run_campaign
from nni_dna.settings import read_settings


def run_in_process(work: Path, definition=None, **changes) -> Path:
    """The work folder of a finished campaign."""
    run_campaign(Campaign(ConfigSetup(read_settings(toys.settings(work, **changes), work.parent), definition or {})))
    return work
