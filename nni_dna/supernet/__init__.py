"""The block-wise supernet: independent supernets per block, whose cells share weights or have one each."""

import nni.nas.strategy  # noqa: F401  # before NNI's one-shot parts: imported after them, its strategies do not work

from .blocks import block_supernet, match_stages
from .layout import check_channels_last
from .matching import Matching, match
from .mutator import BlockwiseSupernet, DNAMutator
from .supernet import BlockSupernet, CellPlan

__all__ = ['block_supernet', 'check_channels_last', 'match_stages', 'Matching', 'match', 'BlockSupernet', 'BlockwiseSupernet',
           'CellPlan', 'DNAMutator']
