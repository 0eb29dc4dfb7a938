"""DNA: the campaign as an NNI strategy, for NasExperiment. It only translates tasks to NNI's models and events back."""

from __future__ import annotations

import logging
import sys
import threading
from pathlib import Path
from typing import Any, Callable, Iterator, Mapping, Sequence

from nni.nas.execution import ExecutionEngine, SequentialExecutionEngine, TrainingServiceExecutionEngine
from nni.nas.oneshot.pytorch.strategy import MutationHook
from nni.nas.space import ExecutableModelSpace, ModelStatus
from nni.nas.strategy import Strategy
from nni.mutable import Mutable

from ..assignment import TrialAssigner
from ..campaign.campaign import Campaign
from ..campaign.check import check_trial_limit
from ..campaign.describe import describe
from ..campaign.tasks import Task
from ..compat import let_nas_experiments_resume
from ..errors import CampaignError, NniDnaError, ResultError, SettingsError, WorkFolderError
from ..manager import Manager
from ..settings import to_plain
from ..spaces.files import recalled
from ..stalling import watch_for_stalls
from .interrupted import InterruptedTrials
from .parts import Parts, traced
from .settings import read_definition, read_hooks, read_strategy_settings
from .setup import StrategySetup
from .task import DNATask, assignment

__all__ = ['DNA']

_logger = logging.getLogger(__name__)

_POLL = 1.0  # seconds


class DNA(Strategy):
    """Block-wise search with knowledge distillation, on any NNI model space that is a chain of modules.

    Blocks of the space learn to imitate the teacher's stages, every path of every block is rated on validation images, an
    exact search finds the best architectures within the limits, and the evaluator trains them from scratch. Each task is a
    model of the experiment: a trial in the web UI on the training-service engine, one after another on the sequential engine.

    Data, trainer options and the recipe of the training come from the evaluator. What was finished is kept in the work
    folder: the same experiment started again goes on where it was, whatever ended it.

    Parameters
    ----------
    teacher
        A torchvision classifier such as ``'resnet18'``, a model of timm as ``'timm:NAME'``, or a class or function that builds an
        nn.Module (or its import path); or a mapping with ``name`` and any of ``args``, ``stages``, ``weights``, ``batch_norm``
        (see :class:`nni_dna.settings.sections.TeacherSettings`). The evaluator trains it first, unless ``weights`` says
        otherwise.
    top_k
        How many of the best architectures to train and to export.
    max_params, max_madds
        Most parameters, and multiply-adds for one image, of the whole network; a number, or text such as ``'4.2M'``.
    block_weights
        How much the rating of each block counts in the sum (the paper's lambda): a number for every block, or a mapping from
        names of blocks (``block1``, ...) to numbers. What is not given is 1.
    max_memory, max_latency_ms
        Most bytes of activations alive at once for one float32 image, and most milliseconds of a forward pass: the sum of the
        layers', which are measured in this process before the first trial unless they are known.
    work
        The work folder; on storage that the trials' machines share.
    blocks
        Names of the last module of each block, where the resolutions should not decide.
    search_space
        An NNI search-space definition, or its file, that restricts the model space.
    distill, rate, latency
        Mappings of further settings (see :class:`nni_dna.settings.sections.DistillSettings`, ``RateSettings`` and
        ``LatencySettings``, on what is measured). The epochs of the distillation are the evaluator's ``max_epochs`` unless
        ``distill`` gives ``epochs``.
    train_dataloaders, val_dataloaders
        Images for the distillation and the rating, where the evaluator has no loaders.
    mutation_hooks
        Make supermodules of the user's own choice modules; see ``nni.nas.strategy.RandomOneShot``.
    seed
        Of everything random.
    retries
        How often a failed trial is run again before the experiment stops.
    threads
        CPU threads of a trial.
    stall_minutes
        A trial that makes no step for so long is cancelled and counts as failed; on the training-service engine only.

    Errors name options by their section, as in a YAML file: ``search.max_params`` is ``max_params`` here, ``search.weights`` is
    ``block_weights``, ``space.blocks`` is ``blocks``, and ``data`` is what the loaders give.

    Examples
    --------
    >>> strategy = DNA(teacher='resnet18', max_params='4.2M', top_k=3)
    >>> experiment = NasExperiment(ProxylessNAS(), Classification(...), strategy)
    >>> experiment.run(8080)
    >>> experiment.export_top_models(3, formatter='dict')
    """

    def __init__(self, teacher: str | Callable | Mapping[str, Any], *, top_k: int = 5, max_params: float | str | None = None,
                 max_madds: float | str | None = None, block_weights: Sequence[float] | Mapping[str, float] | None = None,
                 work: str | Path = 'nni_dna_work', blocks: Sequence[str] | None = None,
                 search_space: Mapping[str, Any] | str | Path | None = None, distill: Mapping[str, Any] | None = None,
                 rate: Mapping[str, Any] | None = None, train_dataloaders: Any = None, val_dataloaders: Any = None,
                 mutation_hooks: Sequence[MutationHook] = (), seed: int = 0, retries: int = 2, threads: int | None = None,
                 max_memory: float | str | None = None, max_latency_ms: float | None = None,
                 latency: Mapping[str, Any] | None = None, stall_minutes: float | None = None):
        super().__init__()
        let_nas_experiments_resume()
        self._settings = read_strategy_settings({
            'teacher': teacher, 'work': work, 'search': {
                'top_k': top_k, 'max_params': max_params, 'max_madds': max_madds, 'max_memory': max_memory,
                'max_latency_ms': max_latency_ms,
                'weights': list(block_weights) if isinstance(block_weights, tuple) else block_weights},
            'blocks': list(blocks) if isinstance(blocks, tuple) else blocks, 'distill': {} if distill is None else distill,
            'rate': {} if rate is None else rate, 'latency': {} if latency is None else latency, 'seed': seed, 'retries': retries,
            'threads': threads, 'stall_minutes': stall_minutes}, Path.cwd())
        self._definition = read_definition(search_space)
        self._loaders = {'train_dataloaders': train_dataloaders, 'val_dataloaders': val_dataloaders}
        self._hooks = read_hooks(mutation_hooks)
        self._campaign: Campaign | None = None
        self._parts: Parts | str | None = None
        self._assigner: TrialAssigner | None = None
        self._interrupted: InterruptedTrials | None = None
        self._running: dict[str, DNATask] = {}  # by task; the engine keeps weak references only
        self._metrics: dict[str, Mapping[str, Any]] = {}  # by task
        self._failure: Exception | None = None
        self._news = threading.Condition()  # on the training-service engine, events come on another thread

    def extra_repr(self) -> str:
        return f'teacher={self._settings.teacher.name!r}, work={str(self._settings.work)!r}'

    @property
    def campaign(self) -> Campaign:
        """The campaign, once the experiment has started."""
        if self._campaign is None:
            raise ResultError('DNA: the experiment has not been started')
        return self._campaign

    def _initialize(self, model_space: ExecutableModelSpace, engine: ExecutionEngine) -> ExecutableModelSpace:
        """Check everything checkable and claim the work folder."""
        if self._settings.stall_minutes is not None and not isinstance(engine, TrainingServiceExecutionEngine):
            raise NotImplementedError("stall_minutes: expected the engine 'ts', whose trials can be cancelled, got "
                                      f'{type(engine).__name__}, which runs tasks in this process; leave it out')
        parts = Parts(space=traced(model_space), evaluator=model_space.evaluator, mutation_hooks=self._hooks,
                      **self._loaders)
        if isinstance(parts.evaluator, Mutable) and parts.evaluator.simplify():
            raise SettingsError('evaluator: expected one without choices, got choices of '
                                f'{", ".join(parts.evaluator.simplify())}; DNA searches the model space only')
        self._parts = self._sendable(parts, engine)
        setup = StrategySetup(self._settings, self._definition, parts.fresh())
        check_trial_limit(setup, _trial_limit(engine))
        self._campaign = Campaign(setup, _code_folder())
        print(describe(setup), flush=True)
        if isinstance(engine, TrainingServiceExecutionEngine):
            manager = Manager(engine.nodejs_binding.tuner_command_channel)
            self._assigner = TrialAssigner(manager, self._campaign.work.root, assignment)
            self._interrupted = InterruptedTrials(manager, self._assigner)
            watch_for_stalls(manager, self._campaign, assignment)
        return model_space

    def _cleanup(self) -> None:
        self.campaign.close()

    def _sendable(self, parts: Parts, engine: ExecutionEngine) -> Parts | str:
        teacher = self._settings.teacher.name
        if teacher.startswith('__main__:') and not isinstance(engine, SequentialExecutionEngine):
            raise SettingsError(f'teacher: {teacher.partition(":")[2]} is defined in the script itself, which trials cannot '
                                'import; move it to a module beside the script')
        try:
            return parts.dump()
        except SettingsError as error:
            if not isinstance(engine, SequentialExecutionEngine):
                raise
            _logger.info('%s. It is used in this process as it is.', error)
            return parts

    def _run(self) -> None:
        """Send what can be sent, until the campaign is done."""
        self.engine.register_model_event_callback('final_metric', self._on_metric)
        self.engine.register_model_event_callback('training_end', self._on_end)
        self._adopt()
        with self._news:
            while not self.campaign.done:
                self._hear_of_adopted()
                if self._failure is not None:
                    raise self._failure
                task = self.campaign.next_task()
                if task is not None and self.engine.idle_worker_available() and self.engine.budget_available():
                    self._submit(task)
                elif task is not None and not self._running and not self.engine.budget_available():
                    raise CampaignError(f'the experiment ended before {task.id} could be started; what is finished is kept, '
                                        'so start it again, without a limit on trials or time (max_trial_number, '
                                        'max_experiment_duration)')
                else:
                    self._news.wait(_POLL)

    def _submit(self, task: Task) -> None:
        assert self._parts is not None
        model = DNATask(self.campaign.work.root, task, to_plain(self._settings), self._definition, self._parts)
        self._running[task.id] = model
        self.campaign.started(task, self.campaign.new_parameter_id())
        if self._assigner is not None:
            self._assigner.expect(model.attempt)
        try:
            self.engine.submit_models(model)
        except Exception:  # the sequential engine runs it here; the end event has said that it failed
            if task.id in self._running:
                raise

    def _on_metric(self, event: Any) -> None:
        if isinstance(event.model, DNATask) and isinstance(event.metric, Mapping) and 'task' in event.metric:
            with self._news:
                self._metrics[event.metric['task']] = event.metric  # which need not be the model's: see TrialAssigner

    def _on_end(self, event: Any) -> None:
        if isinstance(event.model, DNATask):
            with self._news:
                self._running.pop(event.model.task.id, None)
                if event.status != ModelStatus.Interrupted:
                    self._ended(event.model.task, event.status)
                self._news.notify_all()

    def _ended(self, task: Task, status: ModelStatus) -> None:
        """A model was run to its end, well or not."""
        try:
            metric = None
            if status == ModelStatus.Trained:
                metric = self._metrics.pop(task.id, None) or self.campaign.work.finished_metric(task.id, task.basis)
            if metric is not None:
                self.campaign.finished(task, metric)
            else:
                self.campaign.failed(task, f'it ended as {status.value} and left no error of its own (it was killed, or could '
                                           'not start: see its stderr in NNI\'s output folder)')
        except NniDnaError as error:
            self._failure = error

    def _adopt(self) -> None:
        """Take over the trials of a resumed experiment that NNI starts again by itself."""
        for task in self._interrupted.take_over(self.campaign.tasks()) if self._interrupted is not None else ():
            _logger.info('%s was interrupted; NNI runs it again', task.id)
            self.campaign.started(task, self.campaign.new_parameter_id())

    def _hear_of_adopted(self) -> None:
        for task, well in self._interrupted.ended() if self._interrupted is not None else ():
            self._ended(task, ModelStatus.Trained if well else ModelStatus.Failed)

    def list_models(self, sort: bool = True, limit: int | None = None) -> Iterator[ExecutableModelSpace]:
        """The ranking: the best architectures within the limits, best first. Never a task.

        Parameters
        ----------
        sort
            Ignored: the ranking is always in order.
        limit
            How many; None for all.

        Raises
        ------
        ResultError
            If the search is not done.
        """
        ranking = (self.campaign.work.read_ranking() or {}).get('ranking')
        if ranking is None:
            raise ResultError('DNA: there is no ranking before every block is rated; run the experiment again to go on')
        if limit is not None and limit > len(ranking):
            _logger.warning('%d models were asked for, but only %d are ranked; raise top_k', limit, len(ranking))
        for entry in ranking[:limit]:
            model = self.model_space.freeze(self._complete(entry['architecture']))
            if entry['accuracy'] is not None:
                model.status = ModelStatus.Trained
                model.metrics.final = entry['accuracy']
            yield model

    def _complete(self, architecture: Mapping[str, Any]) -> dict[str, Any]:
        """A sample of NNI's, which has a value for labels without effect too: the first."""
        values = {label: mutable.values for label, mutable in self.model_space.simplify().items()}
        return {**{label: listed[0] for label, listed in values.items()}, **recalled(architecture, values)}

    def state_dict(self) -> dict:
        """Where the campaign is kept: everything else is there."""
        return {'work': str(self._settings.work)}

    def load_state_dict(self, state_dict: dict) -> None:
        """See that this is the same campaign.

        Raises
        ------
        WorkFolderError
            If it is another one's state.
        """
        if state_dict.get('work') != str(self._settings.work):
            raise WorkFolderError(f'work: the experiment to go on with is in {state_dict.get("work")}, got '
                                  f'{self._settings.work}; give DNA(work={state_dict.get("work")!r})')


def _trial_limit(engine: ExecutionEngine) -> int | None:
    """How many trials the user lets the experiment have."""
    if isinstance(engine, TrainingServiceExecutionEngine):
        return engine.nodejs_binding.config.max_trial_number
    return getattr(engine, 'max_model_count', None)


def _code_folder() -> Path:
    """The folder of the user's script, whose modules trials import too."""
    script = getattr(sys.modules.get('__main__'), '__file__', None)
    return Path(script).resolve().parent if script else Path.cwd()
