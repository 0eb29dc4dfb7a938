"""Rating of every path."""

from .loss import RatingSums, TargetSpread
from .traverse import rate_paths

__all__ = ['RatingSums', 'TargetSpread', 'rate_paths']
