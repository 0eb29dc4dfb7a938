"""What an experiment left in its work folder."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any


def events(work: Path, kind: str) -> list[str]:
    """The tasks of a kind of event in the journal, in order."""
    file = work / 'journal.jsonl'
    lines = file.read_text().splitlines() if file.is_file() else []
    return [event['task'] for event in map(json.loads, lines) if event['event'] == kind]


def ranking_file(work: Path) -> dict[str, Any]:
    """All that the ranking's file holds."""
    return json.loads((work / 'ranking.json').read_text())


def ranking(work: Path) -> list[dict[str, Any]]:
    """The ranked architectures, the best first."""
    return ranking_file(work)['ranking']
