"""What NNI 3.0, the last release, leaves undone. Everything that mends NNI itself is here."""

from __future__ import annotations

from typing import Any

from nni.runtime.tuner_command_channel import TunerCommandChannel
from nni.runtime.tuner_command_channel.command_type import CommandType

__all__ = ['let_nas_experiments_resume']

_UNKNOWN = (CommandType.ImportData, CommandType.AddCustomizedTrialJob)


def let_nas_experiments_resume() -> None:
    """Let the training-service engine overlook the commands that the manager sends on resuming.

    They tell a tuner of the trials before the interruption. NNI's engine for NAS does not know them: its listener ends with a
    ValueError, and the experiment waits for ever. The manager starts interrupted trials again by itself, so nothing is missed.
    """
    receive = TunerCommandChannel._receive
    if getattr(receive, '_overlooks', False):
        return

    def overlooking(self: TunerCommandChannel) -> Any:
        while True:
            received = receive(self)
            if received[0] not in _UNKNOWN:
                return received

    overlooking._overlooks = True  # type: ignore[attr-defined]
    TunerCommandChannel._receive = overlooking
