"""Strategies compared: the records that the trials of ``examples/compare`` write, and ``nni-dna compare``, which reads them."""

from __future__ import annotations

from .records import Record, load_record, read_records, write_record

__all__ = ['Record', 'load_record', 'read_records', 'write_record']
