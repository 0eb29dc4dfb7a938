"""Rating of every path."""

from typing import TYPE_CHECKING

from ..lazy import on_first_use
from .table import load_ratings, save_ratings

if TYPE_CHECKING:
    from .loss import RatingSums, TargetSpread
    from .supernets import Maps, rate_supernets
    from .traverse import PathRater
else:  # they import torch, which a search over stored tables does without
    __getattr__ = on_first_use(__name__, {'RatingSums': '.loss', 'TargetSpread': '.loss', 'PathRater': '.traverse',
                                          'Maps': '.supernets', 'rate_supernets': '.supernets'})

__all__ = ['Maps', 'PathRater', 'RatingSums', 'TargetSpread', 'load_ratings', 'rate_supernets', 'save_ratings']
