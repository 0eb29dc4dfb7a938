"""Settings: what they may hold, and how they are read."""

from .reader import differences, read_settings, to_plain
from .sections import CommonSettings, Settings

__all__ = ['differences', 'read_settings', 'to_plain', 'CommonSettings', 'Settings']
