"""Block-wise neural architecture search with knowledge distillation (DNA) for Microsoft NNI.

Li et al., "Blockwisely Supervised Neural Architecture Search with Knowledge Distillation", CVPR 2020.
"""

from __future__ import annotations

import importlib
from typing import Any

__all__ = ['DNA', 'DNAAdvisor', 'DNAMutator', 'DNASpace', 'NniDnaError', 'load', 'transfer']

_HOMES = {'DNA': '.strategy', 'DNAAdvisor': '.advisor', 'DNAMutator': '.supernet', 'DNASpace': '.spaces',
          'NniDnaError': '.errors', 'load': '.loading', 'transfer': '.retrain.transfer'}


def __getattr__(name: str) -> Any:
    """Import public names on first use, so that ``import nni_dna`` and the command line start without torch."""
    if name in _HOMES:
        return getattr(importlib.import_module(_HOMES[name], __name__), name)
    raise AttributeError(f'module {__name__!r} has no attribute {name!r}')
