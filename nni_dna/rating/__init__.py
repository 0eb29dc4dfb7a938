"""Rating of every path."""

from .loss import RatingSums, TargetSpread
from .table import load_ratings, save_ratings
from .traverse import PathRater

__all__ = ['PathRater', 'RatingSums', 'TargetSpread', 'load_ratings', 'save_ratings']
