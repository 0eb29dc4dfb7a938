"""Ways to spoil valid settings and files, for property-based tests."""

from __future__ import annotations

import copy
import os
import signal
from contextlib import contextmanager

from hypothesis import HealthCheck, settings
from hypothesis import strategies as st

EXAMPLES = int(os.environ.get('NNI_DNA_EXAMPLES', 0))
"""How many examples a property tries, in place of its own few; such a run draws other ones each time."""

ODD = [-1, 0, 1, 0.5, -0.0, 1e308, -1e-300, float('nan'), float('inf'), float('-inf'), 10**30, -10**30, 2**63, True, False, None,
       '', ' ', 'x', '../x', '/', 'a.b', ':', 'a:b', '.', 'timm:', '\0', '1e999', '-3M', '4.2M', '\u0663', 'x' * 10_000, [], {},
       [[]], [None], ['x'], [1, 'x'], {'a': 1}, {'': None}, {'a': {'b': [{}]}}]
"""Values that are wrong almost anywhere."""


def few(own: int):
    """The profile of a property that tries so many examples in the suite: the same ones each time."""
    return settings(max_examples=EXAMPLES or own, derandomize=not EXAMPLES, deadline=None, database=None, print_blob=False,
                    suppress_health_check=list(HealthCheck))


@contextmanager
def in_time(seconds: int = 60):
    """Not longer than this: a hang is a failure."""
    def late(*_):
        raise AssertionError(f'no answer within {seconds} s')
    before = signal.signal(signal.SIGALRM, late)
    signal.alarm(seconds)
    try:
        yield
    finally:
        signal.alarm(0)
        signal.signal(signal.SIGALRM, before)


def places(tree, at=()):
    """All places of a tree of mappings and lists, as keys from the root."""
    found = [at] if at else []
    entries = tree.items() if isinstance(tree, dict) else enumerate(tree) if isinstance(tree, list) else ()
    for key, value in entries:
        found += places(value, (*at, key))
    return found


@st.composite
def spoiled(draw, tree, most: int = 3):
    """A tree with up to so many places dropped, renamed, doubled, exchanged or given another value."""
    tree = copy.deepcopy(tree)
    for _ in range(draw(st.integers(1, most))):
        known = places(tree)
        if not known:
            return draw(st.sampled_from(ODD))
        *way, key = draw(st.sampled_from(known))
        parent = tree
        for step in way:
            parent = parent[step]
        kind = draw(st.sampled_from(['drop', 'rename', 'value', 'value', 'value', 'text', 'wrap', 'copy', 'sign', 'big']))
        value = parent[key]
        number = isinstance(value, (int, float)) and not isinstance(value, bool)
        if kind == 'drop':
            del parent[key]
        elif kind == 'rename' and isinstance(parent, dict):
            parent[draw(st.sampled_from([f'{key}x', '', 'x', key.upper() if isinstance(key, str) else 'x']))] = parent.pop(key)
        elif kind == 'text':
            parent[key] = str(value)
        elif kind == 'wrap':
            parent[key] = [value]
        elif kind == 'copy' and isinstance(parent, list):
            parent.insert(key, copy.deepcopy(value))
        elif kind == 'copy':
            parent[key] = copy.deepcopy(parent[draw(st.sampled_from(list(parent)))])
        elif kind == 'sign' and number:
            parent[key] = -value
        elif kind == 'big' and number:
            parent[key] = value * 10**draw(st.integers(3, 40))
        else:
            parent[key] = copy.deepcopy(draw(st.sampled_from(ODD)))
    return tree


@st.composite
def damaged(draw, content: bytes):
    """Bytes that are cut off, changed, doubled or put in."""
    content = bytearray(content)
    for _ in range(draw(st.integers(1, 3))):
        kind = draw(st.sampled_from(['cut', 'flip', 'insert', 'remove', 'double', 'empty']))
        place = draw(st.integers(0, max(0, len(content) - 1)))
        length = draw(st.integers(1, 40))
        if kind == 'cut':
            del content[place:]
        elif kind == 'flip' and content:
            content[place] ^= 1 << draw(st.integers(0, 7))
        elif kind == 'insert':
            content[place:place] = draw(st.binary(min_size=1, max_size=8))
        elif kind == 'remove':
            del content[place:place + length]
        elif kind == 'double':
            content[place:place] = content[place:place + length]
        elif kind == 'empty':
            content = bytearray()
    return bytes(content)
