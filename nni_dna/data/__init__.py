"""Image tasks: sources, splits, loaders."""

from .batches import images_of
from .holdout import split_any, split_holdout
from .loading import ImageData
from .sources import SOURCES, ImageTask, load_task

__all__ = ['images_of', 'ImageData', 'split_any', 'split_holdout', 'SOURCES', 'ImageTask', 'load_task']
