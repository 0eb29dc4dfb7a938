"""Block-wise distillation."""

from .loss import distillation_loss
from .module import BlockwiseDistillation, CellKey

__all__ = ['distillation_loss', 'BlockwiseDistillation', 'CellKey']
