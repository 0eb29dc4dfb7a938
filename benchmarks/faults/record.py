"""What a work folder says about a disturbed campaign: what was finished at each fault, what was lost, what was repeated."""

from __future__ import annotations

import json
import time
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any, Collection

import numpy as np

from nni_dna.campaign.work import WorkFolder

__all__ = ['Row', 'Watch', 'HEAD', 'outcome']

HEAD = (f'{"case":40}{"times":>6}{"finished":>9}{"lost":>5}{"repeated":>9}{"equal":>6}{"seconds":>9}  end')


def events(work: Path) -> list[dict[str, Any]]:
    """The journal's whole events."""
    return WorkFolder(work).journal.read()


def outcome(work: Path) -> dict[str, Any]:
    """What must not depend on faults: the ranking, and the ratings of all paths."""
    ranking = json.loads((work / 'ranking.json').read_text())['ranking']
    tables = {str(file.relative_to(work)): np.load(file)['ratings'].tolist() for file in sorted(work.rglob('ratings.npz'))}
    return {'ranking': ranking, 'tables': tables}


@dataclass(kw_only=True)
class Row:
    """A case's line of the table.

    Attributes
    ----------
    case
        What happened, and where.
    times
        How often.
    finished
        Tasks that were finished before the last of these.
    lost
        Tasks finished before any of them that were begun again, or whose result is another file now.
    repeated
        Trials beyond one a task.
    equal
        Whether ranking and ratings are those of the undisturbed campaign.
    seconds
        Of each fault: until the tasks that it met were finished.
    end
        ``DONE``, after errors where these are part of the case.
    """

    case: str
    times: int
    finished: int
    lost: int
    repeated: int
    equal: bool
    seconds: list[float] = field(default_factory=list)
    end: str = 'DONE'

    def __str__(self) -> str:
        longest = f'{max(self.seconds):.1f}' if self.seconds else '-'
        return (f'{self.case:40}{self.times:6}{self.finished:9}{self.lost:5}{self.repeated:9}{"yes" if self.equal else "NO":>6}'
                f'{longest:>9}  {self.end}')

    def plain(self) -> dict[str, Any]:
        """For JSON."""
        return asdict(self)


class Watch:
    """Notes what is finished whenever a fault happens.

    Parameters
    ----------
    work
        The work folder.
    """

    def __init__(self, work: Path):
        self.work = work
        self.ends: list[str] = []
        self._faults: list[tuple[int, float, set[str], dict[str, str]]] = []  # events before, when, tasks that ran, results

    def note(self, when: float | None = None, damaged: Collection[str] = ()) -> None:
        """A fault happens.

        Parameters
        ----------
        when
            Seconds since 1970; nothing is now.
        damaged
            Finished tasks whose files the fault destroys, so that they have to be done again.
        """
        before = [event for event in events(self.work) if when is None or event['time'] <= when]
        running, finished = set(), {}
        for event in before:
            if event['event'] == 'opened':
                running.clear()
            elif event['event'] == 'started':
                running.add(event['task'])
            elif event['event'] in ('failed', 'finished'):
                running.discard(event['task'])
            if event['event'] == 'finished' and event['task'] not in damaged:
                finished[event['task']] = event['sha256']
        self._faults.append((len(before), time.clock_gettime(time.CLOCK_REALTIME) if when is None else when, running, finished))

    def row(self, case: str, undisturbed: Path, timed: bool = True) -> Row:
        """The table's line, once the campaign is done; without times where the clock jumped."""
        found = events(self.work)
        lost, seconds = set(), []
        for count, when, running, finished in self._faults:
            later = found[count:]
            lost |= {event['task'] for event in later if event['event'] == 'started' and event['task'] in finished}
            lost |= {event['task'] for event in later if event['event'] == 'finished'
                     and finished.get(event['task'], event['sha256']) != event['sha256']}
            ends = {event['task']: event['time'] for event in later if event['event'] == 'finished'}
            seconds.append(round(max((ends[task] - when for task in running if task in ends), default=0.0), 1))
        started = [event['task'] for event in found if event['event'] == 'started']
        return Row(case=case, times=len(self._faults), finished=max((len(fault[3]) for fault in self._faults), default=0),
                   lost=len(lost), repeated=len(started) - len(set(started)), equal=outcome(self.work) == outcome(undisturbed),
                   seconds=seconds if timed else [], end=', '.join([*self.ends, 'DONE']))
