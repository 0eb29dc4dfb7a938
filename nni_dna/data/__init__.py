"""Image tasks: sources, splits, loaders."""

from .loading import ImageData, split_holdout
from .sources import SOURCES, ImageTask, load_task

__all__ = ['ImageData', 'split_holdout', 'SOURCES', 'ImageTask', 'load_task']
