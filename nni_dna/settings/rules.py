"""What a setting may hold: a `schema` and the words that say it in an error message."""

from __future__ import annotations

import dataclasses
import math
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from schema import And, Or, Regex, Schema, Use

from .quantities import parse_quantity

__all__ = ['Rule', 'setting', 'TEXT', 'MAPPING', 'FLAG', 'PATH', 'NAMES', 'COUNT', 'NATURAL', 'POSITIVE', 'FRACTION', 'SHARE',
           'SEED', 'LIMIT', 'RGB', 'DEVICE', 'WEIGHTS', 'ANY_SIZE', 'BELOW_ONE', 'PRECISION', 'DEVICES', 'TASKS',
           'one_of', 'optional']

_NUMBER = And(Or(int, float), lambda x: not isinstance(x, bool))
_WHOLE = And(int, lambda x: not isinstance(x, bool))
_WEIGHT = And(_NUMBER, lambda x: 0 <= x < float('inf'), Use(float))


def _nameable(value: str | Path) -> bool:
    """Whether a file can have this name."""
    text = str(value).encode(errors='replace')
    return b'\0' not in text and len(text) < 4096 and all(len(part) < 256 for part in text.split(b'/'))


@dataclass(frozen=True)
class Rule:
    """A check with its description.

    Attributes
    ----------
    expects
        What a valid value is, to complete "expected ...".
    schema
        Validates and converts the value.
    path
        Whether a relative value is relative to the experiment's YAML file.
    """

    expects: str
    schema: Any
    path: bool = False


TEXT = Rule('text', And(str, len, _nameable))
MAPPING = Rule('a mapping', dict)
FLAG = Rule('true or false', bool)
PATH = Rule('a path', And(Or(str, Path), lambda x: len(str(x)) > 0, _nameable, Use(Path)), path=True)
NAMES = Rule('a list of names', And([And(str, len)], len))
COUNT = Rule('a whole number of at least 1', And(_WHOLE, lambda x: x >= 1))
NATURAL = Rule('a whole number of at least 0', And(_WHOLE, lambda x: x >= 0))
POSITIVE = Rule('a number above 0', And(_NUMBER, lambda x: 0 < x < float('inf'), Use(float)))
FRACTION = Rule('a number from 0 to 1', And(_NUMBER, lambda x: 0 <= x <= 1, Use(float)))
SHARE = Rule('a number above 0, at most 1', And(_NUMBER, lambda x: 0 < x <= 1, Use(float)))
SEED = Rule('a whole number from 0 to 4294967295', And(_WHOLE, lambda x: 0 <= x < 2**32))
LIMIT = Rule('a number above 0, such as 4.2M', And(Use(parse_quantity), lambda x: x > 0))
DEVICE = Rule('cpu, cuda or cuda:N', Regex(r'^(cpu|cuda(:\d+)?)\Z'))
WEIGHTS = Rule('a list of numbers of at least 0, one for each block, or a mapping of blocks to them such as {block2: 0.5}',
               And(Or([_WEIGHT], {str: _WEIGHT}), len))
RGB = Rule('a list of one number per channel', And([And(_NUMBER, math.isfinite)], len))
ANY_SIZE = Rule('a number of at least 0', And(_NUMBER, lambda x: 0 <= x < float('inf'), Use(float)))
BELOW_ONE = Rule('a number from 0 to below 1', And(_NUMBER, lambda x: 0 <= x < 1, Use(float)))
PRECISION = Rule('one of 32, 16-mixed, bf16-mixed', And(Use(str), Or('32', '16-mixed', 'bf16-mixed')))
TASKS = Rule('one of cell, block, joint, or a whole number of at least 1',
             Or('cell', 'block', 'joint', And(_WHOLE, lambda x: x >= 1)))
DEVICES = Rule('a whole number of at least 1, or auto', Or(And(_WHOLE, lambda x: x >= 1), 'auto'))


def one_of(*values: str) -> Rule:
    """A choice among words."""
    return Rule('one of ' + ', '.join(values), Or(*values))


def optional(rule: Rule) -> Rule:
    """The same rule, or nothing."""
    return Rule(rule.expects + ', or nothing', Or(None, rule.schema), rule.path)


def setting(rule: Rule, **kwargs: Any) -> Any:
    """A dataclass field that holds a setting.

    Parameters
    ----------
    rule
        What it may hold.
    **kwargs
        Passed to :func:`dataclasses.field` (``default``, ``default_factory``).
    """
    return dataclasses.field(metadata={'rule': rule}, **kwargs)


def validate(rule: Rule, value: Any) -> Any:
    """Check and convert one value; raises `schema.SchemaError`."""
    return Schema(rule.schema).validate(value)
