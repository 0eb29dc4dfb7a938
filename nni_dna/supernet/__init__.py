"""The block-wise supernet: one independent supernet per block and cell."""

from .blocks import cell_supernet, match_stages
from .cell import CellSupernet
from .mutator import DNAMutator

__all__ = ['cell_supernet', 'match_stages', 'CellSupernet', 'DNAMutator']
