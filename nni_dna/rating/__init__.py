"""Rating of every path."""

from .loss import RatingSums, TargetSpread
from .supernets import Maps, rate_supernets
from .table import load_ratings, save_ratings
from .traverse import PathRater

__all__ = ['Maps', 'PathRater', 'RatingSums', 'TargetSpread', 'load_ratings', 'rate_supernets', 'save_ratings']
