"""Marks of a task: one for the start, one for each step, and not too many."""

from __future__ import annotations

from nni_dna import marks
from nni_dna.marks import mark, marking


def test_marks_differ_from_one_step_to_the_next_and_from_those_of_another_trial(tmp_path, monkeypatch):
    clock = iter(range(0, 1000, 2))
    monkeypatch.setattr(marks.time, 'monotonic', lambda: next(clock))
    file, seen = tmp_path / 'progress.txt', set()
    for _ in range(2):
        with marking(file):
            seen.add(file.read_text())
            for _ in range(3):
                mark()
                seen.add(file.read_text())
    assert len(seen) == 8
    mark()  # nothing runs
    assert file.read_text() in seen


def test_marks_are_a_second_apart_save_the_first_step(tmp_path, monkeypatch):
    monkeypatch.setattr(marks.time, 'monotonic', lambda: 5.0)
    file = tmp_path / 'progress.txt'
    with marking(file):
        start = file.read_text()
        mark()
        first = file.read_text()
        mark()
        assert start != first == file.read_text()
