"""The report of an experiment: one HTML page with all pictures in it, and the pictures as files."""

from __future__ import annotations

from ..lazy import on_first_use

__all__ = ['write_report']

# So that the page and the style of the pictures serve without torch.
__getattr__ = on_first_use(__name__, {'write_report': '.writing'})
