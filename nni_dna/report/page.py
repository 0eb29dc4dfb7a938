"""The page: sections of text, tables and pictures, made into HTML by Jinja, which escapes whatever is put in."""

from __future__ import annotations

import base64
import struct
from dataclasses import dataclass, field
from importlib.resources import files
from typing import Sequence

import jinja2

__all__ = ['Picture', 'Row', 'Section', 'Table', 'render']

_DOTS_PER_PIXEL = 2  # pictures are twice as fine as they are shown


@dataclass(frozen=True, kw_only=True)
class Picture:
    """A picture in a section.

    Attributes
    ----------
    name
        Of its file, without the extension.
    png
        Its content.
    alt
        What it shows, for who cannot see it.
    caption
        How to read it; empty where the section says so.
    """

    name: str
    png: bytes
    alt: str
    caption: str = ''

    @property
    def base64(self) -> str:
        """The content as text."""
        return base64.b64encode(self.png).decode()

    @property
    def width(self) -> int:
        """Pixels of the page at the most."""
        return struct.unpack('>I', self.png[16:20])[0] // _DOTS_PER_PIXEL


@dataclass(frozen=True, kw_only=True)
class Row:
    """An architecture in a table: its numbers, and itself on a line of its own."""

    cells: Sequence[str]
    architecture: str


@dataclass(frozen=True, kw_only=True)
class Table:
    """Ranked architectures."""

    head: Sequence[str]
    rows: Sequence[Row]


@dataclass(kw_only=True)
class Section:
    """A part of the page.

    Attributes
    ----------
    key
        Its anchor.
    title, text
        What it is about.
    notes
        What is not there, and why.
    table, pictures
        What it shows.
    """

    key: str
    title: str
    text: str = ''
    notes: list[str] = field(default_factory=list)
    table: Table | None = None
    pictures: list[Picture] = field(default_factory=list)


def render(title: str, state: str, notices: Sequence[str], settings: Sequence[tuple[str, str]],
           sections: Sequence[Section]) -> str:
    """The whole page; it refers to nothing outside itself.

    Parameters
    ----------
    title, state
        Of the experiment.
    notices
        What is wrong with the folder.
    settings
        Names and values.
    sections
        In the order of the page.
    """
    environment = jinja2.Environment(autoescape=True, trim_blocks=True, undefined=jinja2.StrictUndefined)
    template = environment.from_string(files(__package__).joinpath('page.html').read_text(encoding='utf8'))
    return template.render(title=title, state=state, notices=notices, settings=settings, sections=sections)
