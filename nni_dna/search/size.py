"""The error of a search that outgrows the memory it is meant for."""

from __future__ import annotations

from nni_dna.errors import NniDnaError

__all__ = ['SearchSizeError']


class SearchSizeError(NniDnaError, MemoryError):
    """More partial combinations are equally good trade-offs than a search can hold."""
