"""What every message of bad input must have."""

from __future__ import annotations

import re

REMEDY = re.compile(r'nearest known|known: |[;.] .*\b(mend|name|give|set|lower|raise|leave|define|start|restore|delete|make|take|'
                    r'put|write|list|use|lift|wait|save|upgrade|search|measure again|read it|change)\b', re.IGNORECASE)


def says(message: str, *parts: str) -> None:
    """A message names what it should, and a remedy, in one line and without a traceback."""
    assert all(part in message for part in parts), message
    assert REMEDY.search(message), message
    assert 'Traceback' not in message and len(message.strip().splitlines()) == 1, message
