"""The table of the best architectures."""

from __future__ import annotations

from typing import Any, Mapping

from ...show import short
from ..facts.case import Case
from ..page import Row, Section, Table
from ..pictures.style import amount

__all__ = ['ranking_section']

_HEAD = ('rank', 'rating', 'params', 'MAdds', 'result', 'percentile')


def ranking_section(case: Case) -> Section:
    """The best architectures that the exact search found under the limits."""
    section = Section(key='ranking', title='The best architectures')
    if case.folder.ranking is None:
        section.notes.append('There is no ranking yet: the search follows as soon as every path is rated.')
        return section
    sampled = any(block['rated'] < block['of'] for block in case.folder.ranking['paths'].values())
    section.text = (f'Best first, by the exact search under the limits. Rating: smaller is better. Result: {case.quality}, after '
                    'training from scratch. Percentile: the share of all architectures '
                    + ('that can be made of rated paths ' if sampled else '') + 'that are rated as well or better, limits aside.')
    waiting = sum(entry['accuracy'] is None for entry in case.folder.entries)
    if waiting:
        section.notes.append(f'{waiting} of {len(case.folder.entries)} are not retrained yet.')
    section.table = Table(head=_HEAD, rows=[_row(case, entry) for entry in case.folder.entries])
    return section


def _row(case: Case, entry: Mapping[str, Any]) -> Row:
    share = case.share_rated_as_well(entry['rating'])
    reached = 'not yet' if entry['accuracy'] is None else format(entry['accuracy'], '.2%' if case.percent else '.5g')
    return Row(cells=(str(entry['rank']), f'{entry["rating"]:.5f}', f'{entry["params"]:,}', f'{entry["madds"]:,}', reached,
                      _percentile(share)), architecture=short(entry['architecture']))


def _percentile(share: float | None) -> str:
    if share is None:
        return '\u2013'
    if share >= 1e-4:
        return f'top {share:.2%}'
    return '1 in ' + (amount(1 / share) if share > 1e-12 else f'{1 / share:.1e}'.replace('e+', 'e'))
