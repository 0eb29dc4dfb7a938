"""Image tasks: sources, splits, loaders."""

from .batches import images_of
from .loading import ImageData, split_holdout
from .resuming import ResumableLoader
from .sources import SOURCES, ImageTask, load_task

__all__ = ['images_of', 'ImageData', 'split_holdout', 'ResumableLoader', 'SOURCES', 'ImageTask', 'load_task']
