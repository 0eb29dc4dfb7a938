"""Model spaces: the DNA space, the chain of blocks of any space, and search-space files."""

from typing import TYPE_CHECKING

from ..lazy import on_first_use
from .chain import Architecture, Block, Cell, Chain, Layer

if TYPE_CHECKING:
    from .build import SPACES, build_space, without_memory
    from .chaining import chain_of
    from .dna import DNASpace
    from .files import restrict, to_definition
    from .mbconv import MBConv
else:  # they import torch and NNI, which a search over stored tables does without
    __getattr__ = on_first_use(__name__, {
        'SPACES': '.build', 'build_space': '.build', 'without_memory': '.build', 'chain_of': '.chaining', 'DNASpace': '.dna',
        'restrict': '.files', 'to_definition': '.files', 'MBConv': '.mbconv'})

__all__ = ['SPACES', 'build_space', 'without_memory', 'Architecture', 'Block', 'Cell', 'Chain', 'Layer', 'chain_of',
           'DNASpace', 'restrict', 'to_definition', 'MBConv']
