"""What ``nni-dna show`` prints: phase, what is done and the time left; after the search, the ranking."""

from __future__ import annotations

import time
from pathlib import Path
from typing import Any

from .campaign.progress import Progress, read_progress
from .campaign.tasks import PHASES
from .campaign.work import WorkFolder

__all__ = ['duration', 'show', 'short']


def show(root: Path, now: float | None = None) -> str:
    """The state of a campaign as text.

    Parameters
    ----------
    root
        The work folder.
    now
        The time in seconds since 1970; the clock's where it is not given.

    Raises
    ------
    WorkFolderError
        If this is no work folder.
    """
    work = WorkFolder(root.resolve())
    progress = read_progress(work)
    lines = [f'work folder  {work.root}', *_progress_lines(progress, time.time() if now is None else now)]
    ranking = work.read_ranking()
    if ranking is not None:
        lines += ['', *_ranking_lines(ranking)]
    return '\n'.join(lines)


def _progress_lines(progress: Progress, now: float) -> list[str]:
    lines = [f'phase        {progress.phase}']
    for phase in PHASES:
        if phase in progress.counts:
            done, total = progress.counts[phase]
            lines.append(f'  {phase:<10} {done} of {total} done')
    for task, since in progress.running.items():
        lines.append(f'  running    {task}, for {duration(now - since)}')
    if progress.last_error:
        lines.append(f'  failed     {progress.last_error}')
    if progress.phase != 'done':
        left = progress.seconds_left(now)
        lines.append(f'time left    {"not known yet" if left is None else "about " + duration(left)}')
    return lines


def _ranking_lines(ranking: dict[str, Any]) -> list[str]:
    limits = ', '.join(f'{name} {value:,.0f}' for name, value in ranking['limits'].items() if value) or 'none'
    lines = [f'the best of {ranking["architectures_in_space"]:,} architectures; limits: {limits}',
             'rank    rating     params        MAdds  accuracy  architecture']
    for entry in ranking['ranking']:
        reached = 'not yet' if entry['accuracy'] is None else f'{entry["accuracy"]:.2%}'
        lines.append(f'{entry["rank"]:>4}  {entry["rating"]:8.5f}  {entry["params"]:>9,}  {entry["madds"]:>11,}  {reached:>8}  '
                     + short(entry['architecture']))
    return lines


def short(architecture: dict[str, Any]) -> str:
    """The values alone, block by block, where labels name their block: ``2x16: k3e3 | ...``; else ``s2_depth=3 s2_i0=k3e3``."""
    if not all('/' in label for label in architecture):
        return ' '.join(f'{label}={chosen}' for label, chosen in architecture.items())
    blocks: dict[str, list[str]] = {}
    for label, chosen in architecture.items():
        block, _, rest = label.partition('/')
        value = str(chosen)
        blocks.setdefault(block, []).append(f'{value}:' if rest == 'cell' else value)
    return ' | '.join(' '.join(sorted(values, key=lambda value: not value.endswith(':'))) for values in blocks.values())


def duration(seconds: float) -> str:
    """Seconds as people say them."""
    seconds = max(0, round(seconds))
    minutes, rest = divmod(seconds, 60)
    hours, minutes = divmod(minutes, 60)
    return f'{hours} h {minutes:02} min' if hours else f'{minutes} min {rest:02} s' if minutes else f'{rest} s'
