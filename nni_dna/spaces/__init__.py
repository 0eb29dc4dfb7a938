"""Model spaces: the DNA space, the chain of blocks of any space, and search-space files."""

from .build import SPACES, build_space, without_memory
from .chain import Architecture, Block, Cell, Chain, Layer
from .chaining import chain_of
from .dna import DNASpace
from .files import restrict, to_definition
from .mbconv import MBConv

__all__ = ['SPACES', 'build_space', 'without_memory', 'Architecture', 'Block', 'Cell', 'Chain', 'Layer', 'chain_of',
           'DNASpace', 'restrict', 'to_definition', 'MBConv']
