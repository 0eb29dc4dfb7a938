"""Make a small work folder with every kind of file, one task short of its end, and the answers that it gives.

    PYTHONPATH=.:tests python tests/old_work/make.py tests/old_work/FORMAT

Run it once, with the version that is to be remembered, and commit what it writes: later versions must go on reading it.
"""

from __future__ import annotations

import json
import shutil
import sys
import tempfile
from pathlib import Path

from old_work.reading import SETTINGS, answers
from running import open_campaign, run


def main(target: Path) -> None:
    """Make the folder."""
    with tempfile.TemporaryDirectory() as scratch:
        work = Path(scratch) / 'work'
        campaign = open_campaign(work, **SETTINGS)
        while (task := campaign.next_task()) is not None and task.id != 'retrain/rank2':
            campaign.started(task, campaign.new_parameter_id())
            campaign.finished(task, run(campaign, task))
        campaign.close()
        settings = json.loads((work / 'settings.json').read_text())
        settings['settings']['work'], settings['code'] = '/experiment/work', '/experiment'
        (work / 'settings.json').write_text(json.dumps(settings, indent=2, sort_keys=True) + '\n')
        (work / 'lock').unlink()
        shutil.copytree(work, target / 'folder')
    (target / 'answers.json').write_text(json.dumps(answers(target / 'folder'), indent=1) + '\n')


if __name__ == '__main__':
    main(Path(sys.argv[1]))
