"""Let an evaluator train a network, and keep what it reports."""

from __future__ import annotations

import math
from contextlib import contextmanager, nullcontext
from typing import Any, Callable, Iterator

import nni
import pytorch_lightning as pl
from nni.nas.evaluator import Evaluator
from nni.nas.evaluator.pytorch import Lightning
from nni.runtime.trial_command_channel import (TrialCommandChannel, get_default_trial_command_channel,
                                               set_default_trial_command_channel)
from torch import nn

from ..errors import SettingsError, TrainingError
from ..lightning import interruptible, make_trainer

__all__ = ['evaluate', 'distillation_trainer']

# What a trainer of the user's says about the machine and the steps; its callbacks and loggers belong to its own task.
_KEPT = ('accelerator', 'strategy', 'devices', 'num_nodes', 'precision', 'max_epochs', 'max_steps', 'min_epochs', 'min_steps',
         'max_time', 'limit_train_batches', 'overfit_batches', 'accumulate_grad_batches', 'gradient_clip_val',
         'gradient_clip_algorithm', 'deterministic', 'benchmark', 'use_distributed_sampler', 'plugins', 'sync_batchnorm',
         'enable_progress_bar', 'detect_anomaly', 'fast_dev_run')


class _Catcher(TrialCommandChannel):
    """Takes an evaluator's metrics in place of NNI: the intermediate ones are passed on, the final one is kept."""

    def __init__(self, report: Callable[[float], None]):
        self._report = report
        self._outer = get_default_trial_command_channel()
        self.final: Any = None

    def receive_parameter(self) -> Any:
        return {'parameter_id': 0, 'parameters': {}}

    def send_metric(self, type: str, parameter_id: int | None, trial_job_id: str, sequence: int,
                    value: Any) -> None:
        if type == 'FINAL':
            self.final = value
        else:
            with _channel(self._outer):
                self._report(_number(value))
            nni.trial.overwrite_intermediate_seq(sequence)  # where the report went to NNI, it has counted already


@contextmanager
def _channel(channel: TrialCommandChannel) -> Iterator[None]:
    before = get_default_trial_command_channel()
    set_default_trial_command_channel(channel)
    try:
        yield
    finally:
        set_default_trial_command_channel(before)


def evaluate(evaluator: Evaluator, network: nn.Module, report: Callable[[float], None]) -> float:
    """Train a network in place, as the evaluator does it.

    Parameters
    ----------
    evaluator
        Has trained nothing yet.
    network
        A plain network.
    report
        Takes the intermediate results.

    Returns
    -------
    float
        What the evaluator reported as the final result.

    Raises
    ------
    TrainingError
        If it reported none, or one that is not finite.
    """
    catcher = _Catcher(report)
    before = nni.trial._params
    with _channel(catcher), interruptible(evaluator.trainer) if isinstance(evaluator, Lightning) else nullcontext():
        if before is None:  # outside an NNI trial; evaluators report only where there is a parameter
            nni.get_next_parameter()
        try:
            evaluator.evaluate(network)
        finally:
            nni.trial._params = before
    network.cpu()
    if catcher.final is None:
        raise TrainingError(f'evaluator: {type(evaluator).__name__} reported no final result; call nni.report_final_result at '
                            'its end (the Lightning evaluators of NNI do)')
    final = _number(catcher.final)
    if not math.isfinite(final):
        raise TrainingError(f'evaluator: expected a finite final result, got {final}; lower its learning rate, or check the data')
    return final


def _number(value: Any) -> float:
    number: Any = value.get('default') if isinstance(value, dict) else value
    try:
        return float(number)
    except (TypeError, ValueError):
        raise TrainingError('evaluator: expected a number, or a dict with a number under "default", as result, got '
                            f'{value!r}') from None


def distillation_trainer(evaluator: Evaluator, epochs: int | None) -> pl.Trainer:
    """A trainer with the options of the evaluator's.

    Parameters
    ----------
    evaluator
        Where it has no Lightning trainer, one device is used, a GPU where there is one.
    epochs
        How often to go over the images; None takes the evaluator's ``max_epochs`` (or ``max_steps``), and 20 where there is no
        trainer.

    Raises
    ------
    SettingsError
        If the distillation would never end.
    """
    if not isinstance(evaluator, Lightning):
        return make_trainer(epochs or 20)
    given = {key: value for key, value in evaluator.trainer.trace_kwargs.items() if key in _KEPT}
    if epochs is not None:
        given = {key: value for key, value in given.items() if key not in ('max_steps', 'max_time', 'min_epochs', 'min_steps')}
        given['max_epochs'] = epochs
    trainer = make_trainer(**given)
    if trainer.max_epochs == -1 and trainer.max_steps == -1 and 'max_time' not in given:
        raise SettingsError('distill.epochs: the evaluator trains until a callback stops it (max_epochs=-1), and callbacks take '
                            "no part in the distillation, which would never end; give DNA(distill={'epochs': ...})")
    return trainer
