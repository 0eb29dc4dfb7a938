"""How a process of ours ends."""

import atexit
import gc

__all__ = ['leave_quickly']


def leave_quickly() -> None:
    """Spare this process the interpreter's last collections: over all that torch has loaded, they take over a second."""
    atexit.register(gc.freeze)
