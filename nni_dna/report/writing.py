"""Write the report of a work folder."""

from __future__ import annotations

from pathlib import Path

from ..campaign.work import WorkFolder
from ..errors import WorkFolderError
from ..files import write_atomically
from .facts.case import open_case
from .page import Section, render
from .sections.feature_maps import feature_maps_section
from .sections.header import settings_of, state_of, title_of
from .sections.network import network_section
from .sections.over_training import over_training_section
from .sections.ranking import ranking_section
from .sections.supernets import losses_section, ratings_section
from .sections.tradeoff import tradeoff_section

__all__ = ['write_report']

_SECTIONS = (ranking_section, tradeoff_section, network_section, ratings_section, losses_section, feature_maps_section,
             over_training_section)


def write_report(root: Path, output: Path | None = None) -> Path:
    """Write one page with all pictures in it, and each picture as a PNG beside it.

    Only reads from the experiment, which may be running or finished, and run by either face.

    Parameters
    ----------
    root
        The work folder.
    output
        Where to write; ``report`` in the work folder by default.

    Returns
    -------
    Path
        The page.

    Raises
    ------
    WorkFolderError
        If this is no work folder, or the output cannot be written.
    """
    WorkFolder(root.resolve()).record()
    folder = root.resolve() / 'report' if output is None else output.resolve()
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise _cannot_write(folder, error) from error
    case = open_case(root.resolve())
    found: list[Section] = [section for make in _SECTIONS if (section := make(case)) is not None]
    page = render(title_of(case), state_of(case), case.folder.notices, settings_of(case), found)
    try:
        for section in found:
            for picture in section.pictures:
                write_atomically(folder / f'{picture.name}.png', picture.png)
        write_atomically(folder / 'report.html', page.encode())
    except OSError as error:
        raise _cannot_write(folder, error) from error
    return folder / 'report.html'


def _cannot_write(folder: Path, error: OSError) -> WorkFolderError:
    return WorkFolderError(f'--output: expected a folder to write to, got {folder}: {error}; name another')
