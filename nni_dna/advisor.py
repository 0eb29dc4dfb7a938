"""DNAAdvisor: the campaign as an NNI advisor, for ``nnictl create``. It only translates tasks to trials and back."""

from __future__ import annotations

import json
import logging
import signal
import threading
from typing import TYPE_CHECKING, Any

import nni
from nni import ClassArgsValidator
from nni.runtime import msg_dispatcher_base
from nni.runtime.env_vars import dispatcher_env_vars
from nni.runtime.msg_dispatcher_base import MsgDispatcherBase
from nni.runtime.tuner_command_channel import CommandType

from .assignment import TrialAssigner
from .campaign.tasks import Task
from .errors import NniDnaError
from .imports import add_to_path
from .manager import Manager, config_folder, end_with_manager
from .settings import read_settings
from .stalling import watch_for_stalls

if TYPE_CHECKING:
    from .campaign.campaign import Campaign

__all__ = ['DNAAdvisor', 'DNAClassArgsValidator']

_logger = logging.getLogger(__name__)

_METRIC_WAIT = 10.0  # seconds; a trial's end can be handled before the final metric that it sent earlier


class DNAClassArgsValidator(ClassArgsValidator):
    """Checks ``tuner.classArgs`` for NNI's algorithm registry."""

    def validate_class_args(self, **kwargs: Any) -> None:
        """Raise SettingsError if a setting is wrong."""
        read_settings(kwargs, config_folder())


class DNAAdvisor(MsgDispatcherBase):
    """Runs a DNA campaign as trials of ``python -m nni_dna.trial``.

    Parameters
    ----------
    **class_args
        The settings: see :class:`nni_dna.settings.Settings`. NNI's search space restricts the model space.
    """

    def __init__(self, **class_args: Any):
        super().__init__()
        # NNI's own reader unpickles what asks for it, and the manager hands on whatever its REST interface, without login, takes.
        msg_dispatcher_base.load = json.loads
        self._class_args = class_args
        self._manager = Manager(dispatcher_env_vars.NNI_TUNER_COMMAND_CHANNEL)
        self._campaign: Campaign | None = None
        self._assigner: TrialAssigner | None = None
        self._lock = threading.Condition()  # trial ends come on another thread than the rest
        self._credit = 0
        self._metrics: dict[str, dict[str, Any]] = {}  # by trial id
        self._failure: Exception | None = None

    def run(self) -> None:
        """Serve the manager until it says so, or until an error ends the experiment.

        Raises
        ------
        NniDnaError
            The one error that ended it; NNI logs it and the process exits with 1.
        """
        end_with_manager()
        signal.signal(signal.SIGINT, signal.default_int_handler)  # it is ignored where a script started nnictl with '&'
        try:
            super().run()
        except KeyboardInterrupt:
            if self._failure is None:
                raise
        if self._failure is not None:
            raise self._failure

    def process_command(self, command: Any, data: Any) -> None:
        """Handle a command; an error ends the experiment with the status ERROR."""
        try:
            super().process_command(command, data)
        except Exception as error:
            self._failure = error
            text = f'{type(error).__name__}: {error}'
            _logger.error(text) if isinstance(error, NniDnaError) else _logger.exception(text)
            self.report_error(text)
            self.stopping = True
            with self._lock:
                self._lock.notify_all()
            # The main thread waits for the manager's next command and would not see that we stop.
            signal.pthread_kill(threading.main_thread().ident or 0, signal.SIGINT)

    def handle_initialize(self, data: Any) -> None:
        """Check everything, claim the work folder, and say that we are ready."""
        # torch comes in only now: the manager gives up on an advisor that does not connect within 10 seconds.
        from .campaign.campaign import Campaign
        from .campaign.check import check_trial_limit
        from .campaign.config import ConfigSetup
        from .campaign.machines import check_machines
        base = config_folder()
        add_to_path(base)
        with self._lock:
            config, settings = self._manager.experiment()['params'], read_settings(self._class_args, base)
            check_machines(config, settings.work, base)
            self._campaign = Campaign(ConfigSetup(settings, data or {}), base)
            if dispatcher_env_vars.NNI_MODE != 'resume':  # where it may be the number at which we ended the experiment
                check_trial_limit(self._campaign.setup, config.get('maxTrialNumber'))
            self._assigner = TrialAssigner(self._manager, self._campaign.work.root, _assignment)
            watch_for_stalls(self._manager, self._campaign, _assignment)
            self._lock.notify_all()
        self.send(CommandType.Initialized, '')

    def handle_request_trial_jobs(self, data: int) -> None:
        """The manager has room for more trials; what cannot be started yet is kept as credit."""
        with self._lock:
            self._credit += data
            self._go_on()

    def handle_update_search_space(self, data: Any) -> None:
        """The space of a campaign cannot change while it runs: ratings of another space would be mixed."""
        _logger.error('the search space cannot be changed while the experiment runs; start another with another work folder')

    def handle_import_data(self, data: Any) -> None:
        """Finished trials of a resumed experiment: our journal knows them already."""

    def handle_add_customized_trial(self, data: Any) -> None:
        """Interrupted trials of a resumed experiment, which the manager submits again by itself."""
        with self._lock:
            for trial in data:
                trial = json.loads(trial) if isinstance(trial, str) else trial  # nni.load would unpickle
                if _is_ours(trial):
                    self._started(Task.from_parameters(trial['parameters']), trial['parameter_id'])

    def handle_report_metric_data(self, data: dict[str, Any]) -> None:
        """Keep a trial's final metric until the trial ends."""
        if data['type'] == 'FINAL':
            value = data['value']
            with self._lock:
                self._metrics[data['trial_job_id']] = json.loads(value) if isinstance(value, str) else value
                self._lock.notify_all()

    def handle_trial_end(self, data: dict[str, Any]) -> None:
        """A trial ended, well or not."""
        sent = json.loads(data['hyper_params'])
        if not _is_ours(sent):
            return
        task, trial = Task.from_parameters(sent['parameters']), data['trial_job_id']
        with self._lock:
            # A resumed manager starts interrupted trials before we are ready, and some have nothing left to do.
            self._lock.wait_for(lambda: self._campaign is not None or self.stopping)
            if self._campaign is None:
                return
            metric = None
            if data['event'] == 'SUCCEEDED':
                self._lock.wait_for(lambda: trial in self._metrics, _METRIC_WAIT)
                # NNI drops a metric that comes late; the work folder has it too.
                metric = self._metrics.pop(trial, None) or self._campaign.work.finished_metric(task.id, task.basis)
            if metric is not None:
                self._campaign.finished(task, metric)
            else:
                self._campaign.failed(task, f'trial {trial} ended as {data["event"]} and left no error of its '
                                      'own (it was killed, or could not start: see its stderr in NNI\'s output folder)')
            self._go_on()

    def _go_on(self) -> None:
        """Send what can be sent; end the experiment when nothing is left."""
        assert self._campaign is not None
        while self._credit:
            task = self._campaign.next_task()
            if task is None:
                break
            parameter_id = self._campaign.new_parameter_id()
            self._started(task, parameter_id)
            self._credit -= 1
            self.send(CommandType.NewTrialJob, nni.dump({
                'parameter_id': parameter_id, 'parameter_source': 'algorithm',
                'parameters': task.parameters(str(self._campaign.work.root))}))
        if self._campaign.done:
            self._manager.end_experiment()

    def _started(self, task: Task, parameter_id: int) -> None:
        assert self._campaign is not None and self._assigner is not None
        self._campaign.started(task, parameter_id)
        self._assigner.expect(parameter_id)


def _assignment(sent: dict[str, Any]) -> tuple[int, dict[str, Any]] | None:
    return (sent['parameter_id'], sent['parameters']) if _is_ours(sent) else None


def _is_ours(sent: dict[str, Any]) -> bool:
    """Whether a trial was sent by us, and not added by the user in the web UI (a copy of one of ours, perhaps)."""
    return sent.get('parameter_id') is not None and 'task' in (sent.get('parameters') or {})
