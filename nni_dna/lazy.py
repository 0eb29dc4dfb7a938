"""Names of a package that are imported on first use, so that what does without torch starts without it."""

from __future__ import annotations

import importlib
from typing import Any, Callable, Mapping

__all__ = ['on_first_use']


def on_first_use(package: str, homes: Mapping[str, str]) -> Callable[[str], Any]:
    """A package's ``__getattr__`` (PEP 562).

    Parameters
    ----------
    package
        Its name.
    homes
        The module (relative to the package) of each name.
    """
    def find(name: str) -> Any:
        if name in homes:
            return getattr(importlib.import_module(homes[name], package), name)
        raise AttributeError(f'module {package!r} has no attribute {name!r}')
    return find
