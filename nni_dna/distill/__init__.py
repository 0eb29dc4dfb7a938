"""Block-wise distillation."""

from .loss import distillation_loss
from .module import BlockwiseDistillation, SupernetKey

__all__ = ['distillation_loss', 'BlockwiseDistillation', 'SupernetKey']
