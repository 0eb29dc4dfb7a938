"""Image tasks: sources, splits, loaders."""

from .batches import images_of
from .holdout import split_any, split_holdout
from .loading import ImageData
from .resuming import ResumableLoader
from .sources import SOURCES, ImageTask, load_task

__all__ = ['images_of', 'ImageData', 'split_any', 'split_holdout', 'ResumableLoader', 'SOURCES', 'ImageTask', 'load_task']
