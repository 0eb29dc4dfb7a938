"""The table of a comparison: a row per strategy, over its seeds. Pure functions of the records."""

from __future__ import annotations

import itertools
import statistics
from dataclasses import asdict, dataclass
from typing import Any, Iterable, Sequence

from .records import Record

__all__ = ['HEAD', 'StrategyRow', 'as_json', 'cells', 'markdown', 'missing', 'rows_of']

HEAD = ('strategy', 'seeds', 'accuracy', 'search (s)', 'CPU (s)', 'images', 'memory (MB)', 'parameters', 'MAdds', 'over limit')


@dataclass(frozen=True, kw_only=True)
class StrategyRow:
    """A strategy over its seeds; means unless it says otherwise.

    Attributes
    ----------
    strategy
        Its name.
    seeds
        Which, ascending.
    accuracies
        Of each seed's choice on the test images after its training, from 0 to 1; larger is better.
    accuracy, deviation
        Mean and sample standard deviation of these; the deviation of one seed is None.
    search_seconds, retrain_seconds
        Wall time.
    search_cpu_seconds
        CPU time of the search, which other work on the machine hardly changes.
    images_seen
        In the training steps of the search.
    peak_memory
        Bytes; the largest.
    params, madds
        Of the choices.
    over_limit
        How many of the choices are over the limit.
    """

    strategy: str
    seeds: tuple[int, ...]
    accuracies: tuple[float, ...]
    accuracy: float
    deviation: float | None
    search_seconds: float
    search_cpu_seconds: float
    retrain_seconds: float
    images_seen: float
    peak_memory: int
    params: float
    madds: float
    over_limit: int


def rows_of(records: Iterable[Record]) -> list[StrategyRow]:
    """A row per strategy, the highest mean accuracy first.

    Parameters
    ----------
    records
        In any order; a strategy and a seed occur once together.
    """
    ordered = sorted(records, key=lambda record: (record.strategy, record.seed))
    rows = []
    for name, group in itertools.groupby(ordered, key=lambda record: record.strategy):
        mine = list(group)
        accuracies = tuple(record.accuracy for record in mine)
        rows.append(StrategyRow(
            strategy=name, seeds=tuple(record.seed for record in mine), accuracies=accuracies,
            accuracy=statistics.fmean(accuracies), deviation=statistics.stdev(accuracies) if len(mine) > 1 else None,
            search_seconds=_mean(mine, 'search_seconds'), search_cpu_seconds=_mean(mine, 'search_cpu_seconds'),
            retrain_seconds=_mean(mine, 'retrain_seconds'), images_seen=_mean(mine, 'images_seen'),
            peak_memory=max(record.peak_memory for record in mine),
            params=_mean(mine, 'params'), madds=_mean(mine, 'madds'), over_limit=sum(record.over_limit for record in mine)))
    return sorted(rows, key=lambda row: (-row.accuracy, row.strategy))


def _mean(records: Sequence[Record], name: str) -> float:
    return statistics.fmean(getattr(record, name) for record in records)


def missing(rows: Sequence[StrategyRow]) -> list[str]:
    """What some strategy has and another lacks, a line per strategy: ``enas: seed 2``."""
    seeds = sorted({seed for row in rows for seed in row.seeds})
    return [f'{row.strategy}: seed {", ".join(map(str, lacking))}' for row in rows
            if (lacking := [seed for seed in seeds if seed not in row.seeds])]


def cells(row: StrategyRow) -> list[str]:
    """A row as text, in the order of ``HEAD``."""
    accuracy = f'{row.accuracy:.2%}' + ('' if row.deviation is None else f' ± {100 * row.deviation:.2f}')
    limit = f'{row.over_limit} of {len(row.seeds)}' if row.over_limit else ''
    return [row.strategy, str(len(row.seeds)), accuracy, f'{row.search_seconds:.0f}', f'{row.search_cpu_seconds:.0f}',
            f'{row.images_seen:,.0f}', f'{row.peak_memory / 1e6:,.0f}', f'{row.params:,.0f}', f'{row.madds:,.0f}', limit]


def markdown(rows: Sequence[StrategyRow]) -> str:
    """The table in Markdown."""
    lines = [HEAD, ['---'] * len(HEAD), *map(cells, rows)]
    return '\n'.join('| ' + ' | '.join(line) + ' |' for line in lines) + '\n'


def as_json(records: Sequence[Record], rows: Sequence[StrategyRow]) -> dict[str, Any]:
    """The table and what it is made of, as plain values."""
    return {'version': 1, 'task': records[0].task, 'settings': dict(records[0].settings), 'missing': missing(rows),
            'strategies': [asdict(row) for row in rows], 'searches': [asdict(record) for record in records]}
