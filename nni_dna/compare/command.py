"""``nni-dna compare``: from the records to a table, a picture and a page."""

from __future__ import annotations

import json
import statistics
from pathlib import Path
from typing import Any, Mapping, Sequence

from ..errors import WorkFolderError
from ..files import write_atomically
from ..report.page import Picture, Row, Section, Table, render
from ..report.pictures.style import png
from .picture import draw_cost
from .records import Record, read_records
from .table import HEAD, StrategyRow, as_json, cells, markdown, missing, rows_of

__all__ = ['compare_command', 'write_comparison']

_READING = ('Each search ran once per seed. Accuracy is that of the choice after its training from new weights, on test images '
            'that no search has seen: mean and sample standard deviation over the seeds. Search time, images and memory are '
            'those of the whole search, for DNA with the training of its teacher; images are those of training steps, and MAdds '
            'multiply-adds for one image.')
_LIMIT = 'Strategies with a choice over the limit on multiply-adds are marked: they had more to spend.'


def compare_command(work: Path, output: Path | None) -> str:
    """What the command prints: the table, what is missing, and where the page is."""
    page, rows = write_comparison(work.resolve(), output)
    lines = [f'missing: {line}' for line in missing(rows)]
    return '\n'.join([markdown(rows), *lines, str(page)])


def write_comparison(work: Path, output: Path | None = None) -> tuple[Path, list[StrategyRow]]:
    """Write ``compare.md``, ``compare.json``, the pictures, and ``compare.html``, which needs none of them.

    Parameters
    ----------
    work
        The comparison's folder.
    output
        Where to write; the folder itself by default.

    Returns
    -------
    tuple
        The page, and the table.

    Raises
    ------
    WorkFolderError
        If there is no record, or the output cannot be written.
    ResultError
        If a record is damaged, or of other settings than the rest.
    """
    records = read_records(work)
    rows = rows_of(records)
    folder = work if output is None else output.resolve()
    sections = [_table(rows), _costs(rows), _searches(records)]
    page = render(f'Search strategies compared on {records[0].task}', _state(records, rows),
                  [f'{line} has no record (yet)' for line in missing(rows)], _settings(records[0].settings), sections)
    files = {'compare.md': markdown(rows).encode(), 'compare.json': json.dumps(as_json(records, rows), indent=1).encode(),
             'compare.html': page.encode(),
             **{f'{picture.name}.png': picture.png for section in sections for picture in section.pictures}}
    try:
        folder.mkdir(parents=True, exist_ok=True)
        for name, content in files.items():
            write_atomically(folder / name, content)
    except OSError as error:
        raise WorkFolderError(f'--output: expected a folder to write to, got {folder}: {error}; name another') from error
    return folder / 'compare.html', rows


def _state(records: Sequence[Record], rows: Sequence[StrategyRow]) -> str:
    text = f'{len(records)} searches, {len(rows)} strategies'
    mine = next((row for row in rows if row.strategy == 'dna'), None)
    others = [row.search_seconds for row in rows if row.strategy != 'dna']
    if mine is None or not others:
        return text
    place = rows.index(mine) + 1
    return (f'{text}. DNA: place {place} by mean accuracy ({mine.accuracy:.2%}; the best has {rows[0].accuracy:.2%}), search '
            f'time {mine.search_seconds:.0f} s (median of the others {statistics.median(others):.0f} s).')


def _table(rows: Sequence[StrategyRow]) -> Section:
    lines = [Row(cells=cells(row), architecture=', '.join(
        f'seed {seed}: {accuracy:.2%}' for seed, accuracy in zip(row.seeds, row.accuracies))) for row in rows]
    notes = [_LIMIT] if any(row.over_limit for row in rows) else []
    return Section(key='table', title='Strategies', text=_READING, notes=notes, table=Table(head=HEAD, rows=lines))


def _costs(rows: Sequence[StrategyRow]) -> Section:
    hollow = ' Hollow: a choice is over the limit.' if any(row.over_limit for row in rows) else ''
    pictures = [Picture(name=f'compare-{name}', png=png(draw_cost(rows, attribute, label)),
                        alt=f'Test accuracy of each strategy against {label}',
                        caption=f'Further up and further left is better.{hollow}')
                for name, attribute, label in (('seconds', 'search_seconds', 'search time (s)'),
                                               ('madds', 'madds', 'multiply-adds of the choice'))]
    return Section(key='costs', title='Accuracy against cost', pictures=pictures)


def _searches(records: Sequence[Record]) -> Section:
    lines = [Row(cells=[record.strategy, str(record.seed), f'{record.accuracy:.2%}', f'{record.search_seconds:.0f}',
                        f'{record.retrain_seconds:.0f}', f'{record.params:,}', f'{record.madds:,}',
                        'over the limit' if record.over_limit else ''],
                 architecture=', '.join(f'{label}: {value}' for label, value in record.architecture.items()))
             for record in records]
    return Section(key='searches', title='Searches', table=Table(
        head=('strategy', 'seed', 'accuracy', 'search (s)', 'training (s)', 'parameters', 'MAdds', ''), rows=lines))


def _settings(settings: Mapping[str, Any]) -> list[tuple[str, str]]:
    return [(name, ', '.join(f'{key}: {part}' for key, part in value.items()) if isinstance(value, Mapping) else str(value))
            for name, value in settings.items()]
