"""The parts of an experiment (images, model space, teacher) once more, from what its work folder knows of them."""

from __future__ import annotations

from typing import Any, Mapping

from ...campaign.config import ConfigSetup
from ...campaign.setup import Setup
from ...campaign.work import WorkFolder
from ...trust import import_from, imported_names

__all__ = ['rebuild_setup']


def rebuild_setup(work: WorkFolder) -> Setup:
    """The experiment's setup, whichever face it came from.

    Raises
    ------
    NniDnaError
        If the folder does not know enough, as of loaders that NNI did not trace.
    """
    record: Mapping[str, Any] = work.record()
    import_from(work.settings_file, imported_names(record), work.code_folder())
    if 'evaluator' in record['settings']:
        from ...strategy.setup import StrategySetup
        return StrategySetup.from_record(record, work.root)
    return ConfigSetup.from_record(record, work.root)
