"""An evaluator trains a network for a task: its metrics are caught, and its trainer's options serve the distillation."""

from __future__ import annotations

import signal
from contextlib import contextmanager

import nni
import numpy as np
import pytest
import pytorch_lightning as pl
import strategy_toys
import toys
import torch
from nni.nas.evaluator import Evaluator, FunctionalEvaluator
from nni.nas.evaluator.pytorch import DataLoader, Regression
from nni.runtime.trial_command_channel import (TrialCommandChannel, get_default_trial_command_channel,
                                               set_default_trial_command_channel)
from strategy_toys import QUIET, Pictures, by_function, evaluator, lightning, loader
from torch.utils.data import TensorDataset

from nni_dna.errors import SettingsError, TrainingError
from nni_dna.strategy.evaluation import distillation_trainer, evaluate


class Channel(TrialCommandChannel):
    """Stands for NNI."""

    def __init__(self):
        self.sent = []

    def receive_parameter(self):
        return {'parameter_id': 7, 'parameters': {'mine': 1}}

    def send_metric(self, type, parameter_id, trial_job_id, sequence, value):
        self.sent.append((type, parameter_id, sequence, value))


@contextmanager
def trial():
    """Within a trial of NNI's."""
    before = get_default_trial_command_channel(), nni.trial._params, nni.trial._intermediate_seq
    channel = Channel()
    set_default_trial_command_channel(channel)
    nni.get_next_parameter()
    nni.trial._intermediate_seq = 0
    try:
        yield channel
    finally:
        set_default_trial_command_channel(before[0])
        nni.trial._params, nni.trial._intermediate_seq = before[1:]


@pytest.fixture
def network():
    torch.manual_seed(0)
    return toys.Teacher()


def reports(evaluator_, network_):
    """The final result, and the intermediate ones."""
    found = []
    return evaluate(evaluator_, network_, found.append), found


def of(function, **arguments):
    return FunctionalEvaluator(function, **arguments)


# Metrics

@torch.no_grad()
def output(network_):
    return network_.eval()(Pictures(False).images)


def test_classification_gives_its_accuracy_on_the_validation_images(network):
    before = [weight.detach().clone() for weight in network.parameters()]
    final, intermediate = reports(evaluator(max_epochs=3, learning_rate=0.03), network)
    share = (output(network).argmax(1) == Pictures(False).labels).float().mean().item()
    assert final == pytest.approx(share) and final > 0.25
    assert len(intermediate) == 3 and intermediate[-1] == final
    assert not any(map(torch.equal, before, network.parameters()))
    assert {weight.device.type for weight in network.parameters()} == {'cpu'}


def test_regression_gives_its_error(network):
    targets = torch.randn(64, 4)
    data = DataLoader(TensorDataset(Pictures().images, targets), batch_size=16)
    final, intermediate = reports(Regression(train_dataloaders=data, val_dataloaders=data, max_epochs=2, **QUIET), network)
    with torch.no_grad():
        expected = (network.eval()(Pictures().images) - targets).square().mean().item()
    assert final == pytest.approx(expected, rel=1e-5) and len(intermediate) == 2


def test_a_users_own_lightning_module_gives_what_it_reports(network):
    data = {'train_dataloaders': loader(), 'val_dataloaders': loader(False)}
    final, intermediate = reports(lightning(max_epochs=4, **data), network)
    assert final == (output(network).argmax(1) == Pictures(False).labels).float().mean().item()
    assert len(intermediate) == 4 and intermediate[-1] == final


def test_a_function_gives_what_it_reports(network):
    assert reports(of(by_function, results=[0.1, 0.2, 0.3], final=0.9), network) == (0.9, [0.1, 0.2, 0.3])


def test_an_evaluator_of_the_users_own_gives_what_it_reports(network):
    class Own(Evaluator):
        def evaluate(self, model):
            nni.report_final_result(sum(weight.numel() for weight in model.parameters()))
    assert reports(Own(), network) == (sum(weight.numel() for weight in network.parameters()), [])


@pytest.mark.parametrize(['reported', 'taken'], [
    ({'default': 0.5, 'other': 'text'}, 0.5), (1, 1.0), (np.float32(0.5), 0.5), (torch.tensor(0.5), 0.5), (True, 1.0),
    ({'default': np.int64(3)}, 3.0)])
def test_a_result_is_a_number_or_has_one_by_default(network, reported, taken):
    final, intermediate = reports(of(by_function, results=[reported], final=reported), network)
    assert final == taken and intermediate == [taken]
    assert type(final) is type(intermediate[0]) is float


@pytest.mark.parametrize('reported', [{'accuracy': 0.5}, {'default': None}, 'good', {'default': [0.5]}, [0.5], torch.zeros(2)])
@pytest.mark.parametrize('kind', ['final', 'intermediate'])
def test_another_result_is_refused(network, reported, kind):
    arguments = {'final': reported} if kind == 'final' else {'results': [reported]}
    with pytest.raises(TrainingError, match='^evaluator: expected a number, or a dict with a number under "default", as result'):
        reports(of(by_function, **arguments), network)


def test_an_evaluator_that_reports_no_final_result_is_refused(network):
    with pytest.raises(TrainingError, match='^evaluator: FunctionalEvaluator reported no final result; call nni.report_final_'):
        reports(of(by_function, final=None), network)


def test_the_last_final_result_counts(network):
    def twice(model):
        nni.report_final_result(0.1)
        nni.report_final_result(0.2)
    assert reports(of(twice), network) == (0.2, [])


# What NNI sees

def test_in_a_trial_only_the_intermediate_results_reach_nni(network):
    with trial() as channel:
        nni.report_intermediate_result(0.5)
        given = of(by_function, results=[0.1, {'default': 0.2}], final=0.9)
        assert evaluate(given, network, nni.report_intermediate_result) == 0.9
        nni.report_intermediate_result(0.75)
        nni.report_final_result(1.0)
    assert channel.sent == [('PERIODICAL', 7, 0, 0.5), ('PERIODICAL', 7, 1, 0.1), ('PERIODICAL', 7, 2, 0.2),
                            ('PERIODICAL', 7, 3, 0.75), ('FINAL', 7, 0, 1.0)]


def test_results_that_are_not_passed_on_do_not_reach_nni(network):
    with trial() as channel:
        assert reports(of(by_function, results=[0.1]), network) == (0.5, [0.1])
    assert channel.sent == []


def test_an_evaluator_finds_itself_in_a_trial_wherever_it_runs(network):
    found = []

    def look(model):
        found.append(nni.get_current_parameter())
        nni.report_final_result(1)

    assert nni.get_current_parameter() is None
    evaluate(of(look), network, print)
    assert nni.get_current_parameter() is None  # as it was
    with trial():
        evaluate(of(look), network, print)
        assert nni.get_current_parameter() == {'mine': 1}
    assert found == [{}, {'mine': 1}]


def fails(model):
    raise RuntimeError('out of memory')


def interrupted(model):
    raise KeyboardInterrupt


@pytest.mark.parametrize(['function', 'error'], [(by_function, None), (fails, RuntimeError), (interrupted, KeyboardInterrupt)])
def test_nnis_own_state_is_put_back_whatever_happens(network, function, error):
    channel = get_default_trial_command_channel()
    try:
        evaluate(of(function), network, print)
    except (RuntimeError, KeyboardInterrupt) as caught:
        assert type(caught) is error
    else:
        assert error is None
    assert get_default_trial_command_channel() is channel and nni.trial._params is None


# Ctrl+C

class Interrupt(pl.Callback):
    """Ctrl+C in the first epoch."""

    def __init__(self, error=KeyboardInterrupt):
        self.error = error

    def on_train_batch_end(self, *_):
        raise self.error


@pytest.mark.parametrize('make', [lambda: evaluator(callbacks=[Interrupt()]),
                                  lambda: lightning(strategy_toys.OwnLoaders(), detect_interrupt=False)])
def test_ctrl_c_in_a_training_ends_it_all(network, make, monkeypatch):
    given = make()
    if not given.detect_interrupt:
        monkeypatch.setattr(strategy_toys, 'seen', lambda: interrupted(None))
    handler = signal.getsignal(signal.SIGINT)
    with pytest.raises(KeyboardInterrupt):
        reports(given, network)
    assert signal.getsignal(signal.SIGINT) is handler


def test_a_script_that_exits_in_a_training_exits(network):
    with pytest.raises(SystemExit):
        reports(evaluator(callbacks=[Interrupt(SystemExit)]), network)


# The trainer of the distillation

def options(trainer):
    return {'epochs': trainer.max_epochs, 'steps': trainer.max_steps, 'batches': trainer.limit_train_batches,
            'clip': trainer.gradient_clip_val, 'accumulate': trainer.accumulate_grad_batches, 'precision': trainer.precision}


KEPT = {'limit_train_batches': 0.5, 'gradient_clip_val': 2.0, 'accumulate_grad_batches': 3, 'precision': 'bf16-mixed'}


def test_options_of_the_evaluators_trainer_serve_the_distillation():
    found = options(distillation_trainer(evaluator(max_epochs=7, **KEPT), None))
    assert found == {'epochs': 7, 'steps': -1, 'batches': 0.5, 'clip': 2.0, 'accumulate': 3, 'precision': 'bf16-mixed'}
    assert found == options(evaluator(max_epochs=7, **KEPT).trainer)


def test_epochs_can_be_others_than_the_evaluators():
    given = evaluator(max_epochs=7, min_epochs=6, **KEPT)
    assert options(distillation_trainer(given, 3)) == {**options(given.trainer), 'epochs': 3}
    for other in ({'max_steps': 5}, {'max_time': '00:00:00:01'}, {'max_epochs': -1}, {'min_steps': 1000}):
        trainer = distillation_trainer(evaluator(**{'max_epochs': None, **other}), 3)
        assert (trainer.max_epochs, trainer.max_steps, trainer.min_steps, trainer.min_epochs) == (3, -1, None, None)
        assert not any(isinstance(callback, pl.callbacks.Timer) for callback in trainer.callbacks)


def test_an_end_by_steps_or_time_is_the_distillations_too():
    assert distillation_trainer(evaluator(max_epochs=None, max_steps=5), None).max_steps == 5
    timed = distillation_trainer(evaluator(max_epochs=None, max_time='00:00:00:09'), None)
    assert [callback.time_remaining() for callback in timed.callbacks if isinstance(callback, pl.callbacks.Timer)] == [9]


def test_a_distillation_that_would_never_end_is_refused():
    with pytest.raises(SettingsError, match=r"^distill.epochs: .*max_epochs=-1.*DNA\(distill=\{'epochs': ...\}\)$"):
        distillation_trainer(evaluator(max_epochs=-1, callbacks=[pl.callbacks.EarlyStopping('val_loss')]), None)


def test_callbacks_loggers_and_files_stay_with_the_evaluators_own_trainings(tmp_path):
    given = evaluator(enable_checkpointing=True, logger=True, callbacks=[Interrupt(), pl.callbacks.ModelCheckpoint()],
                      default_root_dir=str(tmp_path))
    trainer = distillation_trainer(given, None)
    assert not trainer.loggers and not trainer.checkpoint_callbacks
    assert not any(isinstance(callback, Interrupt) for callback in trainer.callbacks)
    trainer.fit(pl_module(), loader())
    assert list(tmp_path.iterdir()) == []


def pl_module():
    module = strategy_toys.OwnTraining()
    module.set_model(toys.Teacher())
    module.on_fit_end = lambda: None
    return module


def test_a_trial_run_of_the_evaluators_is_one_of_the_distillation():
    for epochs in (None, 5):
        trainer = distillation_trainer(evaluator(fast_dev_run=True), epochs)
        module = pl_module()
        trainer.fit(module, loader())
        assert trainer.global_step == 1


def test_without_a_trainer_one_device_and_twenty_epochs_are_taken():
    for epochs, expected in ((None, 20), (3, 3)):
        trainer = distillation_trainer(of(by_function), epochs)
        assert trainer.max_epochs == expected and trainer.num_devices == 1


def test_the_evaluators_trainer_stays_as_it_is():
    given = evaluator(max_epochs=7)
    distillation_trainer(given, 3).fit(pl_module(), loader())
    assert given.trainer.max_epochs == 7 and given.trainer.current_epoch == 0
    assert given.trainer.trace_kwargs['max_epochs'] == 7


def test_a_final_result_that_is_no_number_is_refused():
    with pytest.raises(TrainingError, match='expected a finite final result, got nan; lower its learning rate'):
        evaluate(FunctionalEvaluator(by_function, final=float('nan')), toys.Teacher(), lambda value: None)
