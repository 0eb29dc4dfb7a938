"""Settings: what they may hold, and how they are read."""

from .documents import read_mapping
from .presets import filled_in
from .reader import differences, read_settings, to_plain, with_defaults
from .sections import CommonSettings, Settings

__all__ = ['differences', 'filled_in', 'read_mapping', 'read_settings', 'to_plain', 'with_defaults',
           'CommonSettings', 'Settings']
