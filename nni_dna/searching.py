"""Search again over what an experiment has rated: other limits, weights, or the whole Pareto front, in seconds."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any, Mapping

from .campaign.ranking import rank, ranking_head, trade_offs
from .campaign.rated import Rated, read_rated
from .campaign.work import WorkFolder
from .errors import SettingsError
from .files import check_place, write_atomically
from .settings.reader import read_section
from .settings.sections import SearchSettings
from .show import ranking_lines

__all__ = ['pareto_front', 'read_weights', 'search_again', 'search_command']


def search_again(work: str | Path, **search: Any) -> dict[str, Any]:
    """The best architectures under other limits, from the stored ratings; trains and writes nothing.

    To retrain them, start the experiment again on its work folder with this ``search`` section: what was rated and retrained
    is kept.

    Parameters
    ----------
    work
        The work folder of an experiment all of whose blocks are rated.
    **search
        Settings of the ``search`` section: ``top_k``, ``max_params`` and the other limits, ``weights`` (which is
        ``block_weights`` in :class:`nni_dna.DNA`). What is not given is the experiment's own; None for a limit lifts it.

    Returns
    -------
    dict
        As ``ranking.json`` has it, ``ranking`` being the architectures. Accuracy and weights file are None for an architecture
        that is not in the experiment's own ranking, or not retrained yet.

    Raises
    ------
    WorkFolderError
        If this is no work folder.
    ResultError
        If blocks are not rated yet, or a file is not the one that was rated.
    SettingsError
        If a setting is unknown or out of range.
    InfeasibleError
        If no architecture keeps the limits.
    """
    folder, rated, settings = _read(work, search)
    ranking = rank(rated.costs.chain, rated.costs, rated.ratings, settings)
    return {**ranking_head(rated.costs.chain, rated.costs, settings), 'ranking': _with_accuracies(folder, ranking)}


def pareto_front(work: str | Path, cost: str, **search: Any) -> dict[str, Any]:
    """All best trade-offs between the rating and one cost, from the stored ratings; trains and writes nothing.

    Parameters
    ----------
    work
        The work folder of an experiment all of whose blocks are rated.
    cost
        ``params``, ``madds`` or another cost that the experiment counted.
    **search
        As for `search_again`; ``top_k`` does not matter.

    Returns
    -------
    dict
        As `search_again` gives it, with ``cost``, and ``front`` instead of ``ranking``: in ascending order of the cost, and so
        of ever better (smaller) ratings.

    Raises
    ------
    WorkFolderError, ResultError, SettingsError, InfeasibleError
        As `search_again`.
    SearchSizeError
        If there are too many.
    """
    folder, rated, settings = _read(work, search)
    points = trade_offs(rated.costs.chain, rated.costs, rated.ratings, settings, cost)
    return {**ranking_head(rated.costs.chain, rated.costs, settings), 'cost': cost, 'front': _with_accuracies(folder, points)}


def search_command(work: Path, given: Mapping[str, Any], front: str | None, as_json: bool, output: Path | None) -> str:
    """What ``nni-dna search`` prints: the ranking, or the front of a cost, as a table or as JSON; written to a file if asked.

    Parameters
    ----------
    work
        The work folder.
    given
        Settings of the ``search`` section as texts; ``none`` for nothing.
    front
        Cost of the front.
    as_json
        Whether to print JSON.
    output
        File for the JSON.
    """
    if output is not None:
        check_place(output)
    search = {name: None if value == 'none' else read_weights(value) if name == 'weights' else value
              for name, value in given.items()}
    found = search_again(work, **search) if front is None else pareto_front(work, front, **search)
    text = json.dumps(found, indent=2)
    if output is not None:
        write_atomically(output, text.encode() + b'\n')
    if as_json:
        return text
    if front is None:
        return '\n'.join(ranking_lines(found))
    points = [{'rank': number, **entry} for number, entry in enumerate(found['front'], start=1)]
    return '\n'.join(ranking_lines({**found, 'front': points}, f'{len(points)} best trade-offs with {front}', 'front'))


def _read(work: str | Path, search: Mapping[str, Any]) -> tuple[WorkFolder, Rated, SearchSettings]:
    folder = WorkFolder(Path(work).resolve())
    own = folder.record()['settings']['search']
    settings = read_section(SearchSettings, {**own, **search}, Path.cwd(), 'search')
    return folder, read_rated(folder), settings


def _with_accuracies(folder: WorkFolder, entries: list[dict[str, Any]]) -> list[dict[str, Any]]:
    """With what is known from the experiment's own ranking."""
    known = {_key(entry): entry for entry in (folder.read_ranking() or {}).get('ranking', [])}
    return [{**entry, **{name: known.get(_key(entry), {}).get(name) for name in ('accuracy', 'weights')}} for entry in entries]


def _key(entry: Mapping[str, Any]) -> str:
    return json.dumps(entry['architecture'], sort_keys=True)


def read_weights(text: str) -> list[float] | dict[str, float]:
    """Weights of blocks as they are written on a command line: ``1,1,2`` or ``block2=0.5,block3=2``.

    Raises
    ------
    SettingsError
        If they are neither.
    """
    parts = text.split(',')
    try:
        if '=' not in text:
            return [float(part) for part in parts]
        return {name.strip(): float(value) for name, value in (part.split('=') for part in parts)}
    except ValueError:
        raise SettingsError('--weights: expected numbers such as 1,1,2, or some by block such as block2=0.5, '
                            f'got {text!r}; write them so') from None
