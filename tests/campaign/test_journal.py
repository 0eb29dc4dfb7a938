"""The journal: whole events come back, a cut-off line does not, and what it cannot read is refused."""

from __future__ import annotations

import pytest

from nni_dna.campaign.journal import Journal
from nni_dna.errors import WorkFolderError


def test_events_come_back_in_order(tmp_path):
    journal = Journal(tmp_path / 'journal.jsonl')
    assert journal.read() == []
    journal.append('started', task='a', parameter_id=0)
    journal.append('finished', task='a')
    assert [(event['event'], event['task']) for event in journal.read()] == [('started', 'a'), ('finished', 'a')]


@pytest.mark.parametrize('cut', range(1, 40, 6))
def test_a_line_cut_off_anywhere_is_dropped_and_the_next_event_stands_alone(tmp_path, cut):
    journal = Journal(tmp_path / 'journal.jsonl')
    journal.append('started', task='a')
    journal.append('finished', task='a')
    journal.path.write_bytes(journal.path.read_bytes()[:-cut])
    assert [event['event'] for event in journal.read()] == ['started']
    journal.append('failed', task='a')
    assert [event['event'] for event in journal.read()] == ['started', 'failed']


@pytest.mark.parametrize(['line', 'message'], [
    ('garbage', 'line 2: expected an event in JSON'),
    ('[1]', 'line 2: expected an event in JSON'),
    ('{"event": "started"}', 'line 2: expected an event in JSON'),
    ('{"version": 2, "event": "started"}', 'expected version 1 of the format, got 2'),
])
def test_a_damaged_line_or_another_version_is_refused(tmp_path, line, message):
    journal = Journal(tmp_path / 'journal.jsonl')
    journal.append('started', task='a')
    with journal.path.open('a') as file:
        file.write(line + '\n')
    with pytest.raises(WorkFolderError, match=message):
        journal.read()
