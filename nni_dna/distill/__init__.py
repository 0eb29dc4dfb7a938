"""Block-wise distillation."""

from .inputs import BlockInputs, SearchedBlock
from .loss import distillation_loss
from .module import BlockwiseDistillation
from .sampling import SupernetKey

__all__ = ['distillation_loss', 'BlockwiseDistillation', 'BlockInputs', 'SearchedBlock', 'SupernetKey']
