"""Several processes that train one network together: who starts them, and how they find each other."""

from __future__ import annotations

import contextlib
import json
import os
import socket
import subprocess
import sys
import threading
from contextlib import contextmanager
from typing import IO, Any, Callable, Iterator, Mapping

import torch

from ..errors import NniDnaError, SettingsError, TrainingError

__all__ = ['process_count', 'together', 'leave', 'other_ranks', 'train_along']

_GRACE = 60
"""Seconds that the other processes have to end after this one."""


def process_count(devices: int | str) -> int:
    """How many processes ``retrain.devices`` stands for on this machine.

    Raises
    ------
    SettingsError
        If there are fewer GPUs.
    """
    gpus = torch.cuda.device_count()
    if devices == 'auto':
        return max(1, gpus)
    if gpus and int(devices) > gpus:
        raise SettingsError(f'retrain.devices: expected at most the {gpus} GPUs that this trial sees, got {devices}; lower '
                            'retrain.devices, or raise trialGpuNumber')
    return int(devices)


def together(processes: int) -> dict[str, Any]:
    """Options of Lightning's trainer for a training of so many processes; each of them makes such a trainer.

    Raises
    ------
    TrainingError
        If the other processes were not started.
    """
    if processes == 1:
        return {}
    if 'LOCAL_RANK' not in os.environ:
        raise TrainingError(f'retrain.devices: {processes} processes were asked for, but only this one is there; train by '
                            'nni_dna.phases.retrain.train_architecture, which starts the others')
    return {'devices': processes, 'strategy': 'ddp'}


def leave() -> None:
    """After a training together: what this process computes from now on is its own."""
    if torch.distributed.is_available() and torch.distributed.is_initialized():
        torch.distributed.destroy_process_group()


@contextmanager
def other_ranks(processes: int, module: str, payload: Mapping[str, Any]) -> Iterator[None]:
    """While in here, this process is the first of several that train together; the others are started and ended.

    They are given what to do as JSON, and do what this process does, save that they report and write nothing. (Lightning would
    start this process's own command again: a trial would ask NNI for parameters twice.)

    Parameters
    ----------
    processes
        How many; nothing is done for one.
    module
        What the others run, as ``python -m`` does; it calls `train_along`.
    payload
        JSON-able.

    Raises
    ------
    TrainingError
        If another process fails while this one does not.
    """
    if processes == 1:
        yield
        return
    meeting = {'MASTER_ADDR': '127.0.0.1', 'MASTER_PORT': str(_free_port()), 'NODE_RANK': '0'}
    # No trial of NNI's, for it would write to this one's files; and this one's import path.
    inherited = {name: value for name, value in os.environ.items() if not name.startswith('NNI_')}
    environment = {**inherited, **meeting, 'PYTHONPATH': os.pathsep.join(filter(None, sys.path))}
    before = {name: os.environ.get(name) for name in (*meeting, 'LOCAL_RANK')}
    others: list[subprocess.Popen] = []
    try:
        ready = [_start(module, payload, {**environment, 'LOCAL_RANK': str(rank)}, others) for rank in range(1, processes)]
        for rank, pipe in enumerate(ready, start=1):
            with pipe:
                if not pipe.read(1):  # nobody would come to the meeting
                    raise _failed(rank, processes, others[rank - 1])
        os.environ.update(meeting, LOCAL_RANK='0')
        yield
        for rank, other in enumerate(others, start=1):
            if other.wait(_GRACE):
                raise _failed(rank, processes, other)
    finally:
        for other in others:
            other.kill()
            other.wait()
            if other.stdin is not None:
                with contextlib.suppress(BrokenPipeError):
                    other.stdin.close()
        for name, value in before.items():
            if value is None:
                os.environ.pop(name, None)
            else:
                os.environ[name] = value
        leave()


def train_along(prepare: Callable[..., Callable[[], None]]) -> int:
    """Be one of the processes that `other_ranks` starts: report and write nothing, and end as soon as the first one does.

    Parameters
    ----------
    prepare
        Takes the payload by name, does all that may fail, and returns what trains.

    Returns
    -------
    int
        The exit code.
    """
    payload, pipe = json.loads(sys.stdin.buffer.readline())
    threading.Thread(target=_end_with_parent, daemon=True).start()
    try:
        train = prepare(**payload)
        os.write(pipe, b'1')  # ready
        os.close(pipe)
        train()
    except NniDnaError as error:
        print(f'{type(error).__name__}: {error}', file=sys.stderr)
        return 1
    return 0


def _start(module: str, payload: Mapping[str, Any], environment: Mapping[str, str],
           others: list[subprocess.Popen]) -> IO[bytes]:
    """Start a process, tell it what to do, and return where it says that it is ready."""
    reading, writing = os.pipe()
    try:
        other = subprocess.Popen([sys.executable, '-m', module], stdin=subprocess.PIPE, env=environment, pass_fds=[writing])
    finally:
        os.close(writing)
    others.append(other)
    assert other.stdin is not None
    with contextlib.suppress(BrokenPipeError):  # it has ended already, as is found below
        other.stdin.write(json.dumps([payload, writing]).encode() + b'\n')
        other.stdin.flush()
    return os.fdopen(reading, 'rb')


def _failed(rank: int, processes: int, other: subprocess.Popen) -> TrainingError:
    return TrainingError(f'retrain.devices: process {rank} of {processes} ended with exit code {other.wait(_GRACE)}; its error '
                         "is in the trial's log")


def _end_with_parent() -> None:
    os.read(0, 1)  # nothing more comes: it returns when the first process is gone
    os._exit(1)


def _free_port() -> int:
    with socket.socket() as probe:
        probe.bind(('127.0.0.1', 0))
        return probe.getsockname()[1]
