"""Block-wise neural architecture search with knowledge distillation (DNA) for Microsoft NNI.

Li et al., "Blockwisely Supervised Neural Architecture Search with Knowledge Distillation", CVPR 2020.
"""

from __future__ import annotations

from .lazy import on_first_use

__version__ = '0.1.0'

__all__ = ['DNA', 'DNAAdvisor', 'DNAMutator', 'DNASpace', 'NniDnaError', 'export', 'load', 'pareto_front', 'search_again',
           'transfer']

# So that ``import nni_dna`` and the command line start without torch.
__getattr__ = on_first_use(__name__, {
    'DNA': '.strategy', 'DNAAdvisor': '.advisor', 'DNAMutator': '.supernet', 'DNASpace': '.spaces', 'NniDnaError': '.errors',
    'export': '.exporting', 'load': '.loading', 'pareto_front': '.searching', 'search_again': '.searching',
    'transfer': '.retrain.transfer'})
