"""What ``nni-dna show`` prints: phase, what is done and the time left; after the search, the ranking."""

from __future__ import annotations

import time
from pathlib import Path
from typing import Any

from .campaign.progress import Progress, read_progress
from .campaign.tasks import PHASES
from .campaign.work import WorkFolder

__all__ = ['duration', 'ranking_lines', 'show', 'short']

_FURTHER = {'memory': ('  memory (B)', '  {:>10,}'), 'latency_ms': ('  latency (ms)', '  {:>12,.3f}')}
"""Costs that are there where a limit asks for them: title and form of their columns."""


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
        lines += ['', *ranking_lines(ranking)]
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


def ranking_lines(ranking: dict[str, Any], what: str = 'best', entries: str = 'ranking') -> list[str]:
    """A ranking as a table.

    Parameters
    ----------
    ranking
        As ``ranking.json`` has it.
    what
        What its architectures are.
    entries
        Under which name it has them.
    """
    limits = ', '.join(f'{name} {value:,.12g}' for name, value in ranking['limits'].items() if value) or 'none'
    further = {name: how for name, how in _FURTHER.items() if f'max_{name}' in ranking['limits']}
    weights = ', '.join(f'{name} {value:g}' for name, value in ranking.get('block_weights', {}).items() if value != 1)
    lines = [f'the {what} of {ranking["architectures_in_space"]:,} architectures; limits: {limits}'
             + (f'; weights: {weights}' if weights else ''),
             f'rank    rating     params        MAdds{"".join(title for title, _ in further.values())}  accuracy  architecture']
    for entry in ranking[entries]:
        reached = 'not yet' if entry['accuracy'] is None else f'{entry["accuracy"]:.2%}'
        costs = f'{entry["params"]:>9,}  {entry["madds"]:>11,}'
        costs += ''.join(form.format(entry[name]) for name, (_, form) in further.items())
        lines.append(f'{entry["rank"]:>4}  {entry["rating"]:8.5f}  {costs}  {reached:>8}  {short(entry["architecture"])}')
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
