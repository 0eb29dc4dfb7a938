"""The campaign: the one place that decides what runs next. It knows no NNI.

teacher (only if no weights are given) -> distill (a task per cell, or one for all) -> search (no task) -> retrain -> done.
"""

from __future__ import annotations

import logging
from pathlib import Path
from typing import Any, Iterator, Mapping

import numpy as np

from ..errors import CampaignError, ResultError
from ..files import sha256
from .groups import find_groups, stored_loads
from .latency import WORK_FILE, write_latencies
from .over_training import best_of_epoch, over_training_file, over_training_tasks
from .ranking import rank, ranking_head
from .records import losses_of
from .setup import Setup
from .stored import COSTS_FILE, block_ratings, save_costs
from .tasks import TEACHER_ID, Task, distill_tasks, retrain_tasks, teacher_tasks
from .work import WorkFolder

__all__ = ['Campaign']

_logger = logging.getLogger(__name__)


class Campaign:
    """A search from the teacher to the retrained winners.

    Checks everything checkable, claims the work folder, and goes on where its journal ends.

    Parameters
    ----------
    setup
        The experiment.
    code
        Folder of the user's own modules, for trials to import them from.

    Raises
    ------
    NniDnaError
        If anything is wrong with the settings, the data, the space, the teacher or the work folder.
    """

    def __init__(self, setup: Setup, code: Path | None = None):
        self.setup = setup
        self.work = WorkFolder(setup.settings.work)
        record = setup.record()
        self.work.check(record)
        setup.check()
        if isinstance(setup.settings.distill.tasks, int):
            stored_loads(setup)  # what is damaged is refused before anything is written
        self._lock = self.work.claim(record, code or Path.cwd())  # held for as long as this campaign lives
        if setup.latencies is not None:
            write_latencies(setup.latencies, self.work.root / WORK_FILE)
        self._groups = find_groups(setup) if isinstance(setup.settings.distill.tasks, int) else []
        self._finished: dict[str, dict[str, Any]] = {}
        self._failures: dict[str, int] = {}
        self._running: set[str] = set()
        self._ranking: list[dict[str, Any]] | None = None
        self._found: list[dict[str, Any]] = []  # the best architecture of each epoch that is to be retrained
        self._losses: dict[str, Any] = {}
        self._parameter_ids = 0
        save_costs(self.work.root / COSTS_FILE, setup.chain, setup.data.image_shape, setup.costs)
        self._replay()
        self._take_up_retrained()
        self._search_if_due()
        self._take_up_unreported()

    def close(self) -> None:
        """Let others run a campaign on the work folder, which this one only reads from now on."""
        self._lock.close()

    def _replay(self) -> None:
        """Take up what the journal says was finished, as far as the files bear it out."""
        for event in self.work.events():
            if event['event'] == 'started':
                self._parameter_ids = max(self._parameter_ids, event['parameter_id'] + 1)
            elif event['event'] == 'finished':
                try:
                    self.work.read_result(event['task'], event['sha256'])
                except ResultError as error:
                    _logger.warning('%s; the task is run again', error)
                else:
                    self._finished[event['task']] = event
        counts = {phase: sum(task.phase == phase for task in self.tasks()) for phase in ('teacher', 'distill')}
        self.work.journal.append('opened', finished=sorted(self._finished), phase=self.phase,
                                 tasks={**{phase: count for phase, count in counts.items() if count},
                                        'retrain': self.setup.settings.search.top_k + len(self.setup.over_training)})

    def _take_up_retrained(self) -> None:
        """Winners of any ranking that were trained while nobody was there to hear it: their folders must be known as taken."""
        for file in sorted(self.work.root.glob('retrain/*/result.json')):
            task_id = str(file.parent.relative_to(self.work.root))
            if task_id not in self._finished:
                try:
                    result = self.work.read_result(task_id)
                except ResultError:
                    continue
                self._finished[task_id] = event = {'task': task_id, 'basis': result['basis'], 'value': result['value'],
                                                   'sha256': sha256(file)}
                self.work.journal.append('finished', **event, phase=self.phase)

    def _take_up_unreported(self) -> None:
        """A trial may have ended well while nobody was there to hear it."""
        while (unheard := next(self._unreported(), None)) is not None:  # what is finished decides which tasks follow
            self.finished(*unheard)

    def _unreported(self) -> Iterator[tuple[Task, dict[str, Any]]]:
        for task in self.tasks():
            metric = None if self._is_finished(task) or not task.ready else self.work.finished_metric(task.id, task.basis)
            if metric is not None:
                yield task, metric

    @property
    def phase(self) -> str:
        """``teacher``, ``distill``, ``search``, ``retrain`` or ``done``."""
        for task in self.tasks():
            if not self._is_finished(task):
                return task.phase
        return 'search' if self._ranking is None else 'done'

    def _is_finished(self, task: Task) -> bool:
        return task.ready and task.id in self._finished and self._finished[task.id]['basis'] == task.basis

    @property
    def done(self) -> bool:
        """Whether nothing is left to do."""
        return self.phase == 'done'

    def tasks(self) -> list[Task]:
        """All tasks that are known so far, in the order in which they run."""
        return teacher_tasks(self.setup.settings) + self._distill_tasks() + self._retrain_tasks()

    def _distill_tasks(self) -> list[Task]:
        teacher = self._finished.get(TEACHER_ID, {}).get('sha256', '')
        return distill_tasks(self.setup.settings, self.setup.chain, teacher[:16], self._groups, self._finished)

    def _retrain_tasks(self) -> list[Task]:
        """The winners, best first, and what was found over the training."""
        trained = {task: event['basis'] for task, event in self._finished.items()}
        winners = retrain_tasks(self.setup.recipe, [entry['architecture'] for entry in self._ranking or ()], trained)
        return winners + over_training_tasks(self.setup.recipe, self._found, winners, trained)

    def next_task(self) -> Task | None:
        """A task that can be started now, or None: all done, or the rest waits for running ones."""
        phase = self.phase
        for task in self.tasks():
            if task.phase == phase and task.ready and not self._is_finished(task) and task.id not in self._running:
                return task
        return None

    def new_parameter_id(self) -> int:
        """A number that no trial on this work folder has had."""
        self._parameter_ids += 1
        return self._parameter_ids - 1

    def started(self, task: Task, parameter_id: int) -> None:
        """A trial of this task was sent, or goes on; one that has already ended is known."""
        self._parameter_ids = max(self._parameter_ids, parameter_id + 1)
        if self._is_finished(task):
            return
        self._running.add(task.id)
        self.work.journal.append('started', task=task.id, parameter_id=parameter_id)

    def finished(self, task: Task, metric: Mapping[str, Any]) -> None:
        """A trial of this task ended well.

        Parameters
        ----------
        task
            Which.
        metric
            The trial's final metric, as `WorkFolder.write_result` gave it.

        Raises
        ------
        CampaignError
            If its files are not those that it reported, once too often.
        """
        try:
            if metric.get('task') != task.id:
                raise ResultError(f'{task.id}: the trial reported {dict(metric)!r}')
            self.work.read_result(task.id, str(metric.get('sha256')), task.basis)
        except ResultError as error:
            self.failed(task, str(error))
            return
        self._running.discard(task.id)
        event = {'task': task.id, 'basis': task.basis, 'value': metric['default'], 'sha256': metric['sha256']}
        self._finished[task.id] = event
        self.work.journal.append('finished', **event, phase=self.phase)
        self._search_if_due()
        if self.done:
            self.work.journal.append('done', phase=self.phase)

    def failed(self, task: Task, reason: str) -> None:
        """A trial of this task failed; it is run again, unless that was once too often.

        Parameters
        ----------
        task
            Which.
        reason
            What is known from outside; the trial's own error is added.

        Raises
        ------
        CampaignError
            If it failed more than ``retries`` times; names the task and shows the trial's own error.
        """
        self._running.discard(task.id)
        own = self.work.take_error(task.id).strip()
        message = own or reason
        self._failures[task.id] = self._failures.get(task.id, 0) + 1
        self.work.journal.append('failed', task=task.id, error=message)
        _logger.warning('%s failed (%d of %d allowed): %s', task.id, self._failures[task.id],
                        self.setup.settings.retries, message)
        if self._failures[task.id] > self.setup.settings.retries:
            raise CampaignError(f'{task.id} failed {self._failures[task.id]} times, more than retries: '
                                f'{self.setup.settings.retries} allows; what is finished is kept, so mend the cause and start '
                                f'again. The trial\'s own error:\n{message}')

    def _search_if_due(self) -> None:
        """Rank as soon as every path is rated; a matter of milliseconds, so it is simply done again after a restart."""
        if self._ranking is None and all(self._is_finished(task) for task in self._distill_tasks()):
            ratings = [block_ratings(self.work.root, block) for block in self.setup.chain.blocks]
            self._ranking = rank(self.setup.chain, self.setup.costs, ratings, self.setup.settings.search)
            self._search_over_training(ratings)
            # By these digests a later search knows what it may read.
            digests = {task.id: self._finished[task.id]['sha256'] for task in self._distill_tasks()}
            retrain = [task.id for task in self._retrain_tasks()]
            self.work.journal.append('ranked', architectures=len(retrain), phase=self.phase, results=digests,
                                     costs=sha256(self.work.root / COSTS_FILE), retrain=retrain)
        if self._ranking is not None:
            self._write_ranking()

    def _search_over_training(self, last: list[np.ndarray]) -> None:
        """Find the best architectures of the epochs that were asked for, and of the last one."""
        setup, epochs = self.setup, self.setup.over_training
        if not epochs:
            return
        self._losses = {name: curve for task in self._distill_tasks()
                        for name, curve in losses_of(self.work.read_result(task.id)).items()}
        tables = {epoch: [block_ratings(self.work.root, block, epoch) for block in setup.chain.blocks] for epoch in epochs}
        tables[max(map(len, self._losses.values()))] = last
        self._found = [best_of_epoch(epoch, setup.chain, setup.costs, ratings, setup.settings.search)
                       for epoch, ratings in tables.items()]

    def _write_ranking(self) -> None:
        assert self._ranking is not None
        entries = []
        tasks = self._retrain_tasks()
        for entry, task in zip(self._ranking, tasks):
            finished = self._is_finished(task)
            entries.append({**entry, 'accuracy': self._finished[task.id]['value'] if finished else None,
                            'weights': f'{task.id}/model.safetensors' if finished else None})
        self.work.write_ranking({**ranking_head(self.setup.chain, self.setup.costs, self.setup.settings.search),
                                 **self._measured(), 'num_classes': self.setup.num_classes, 'ranking': entries})
        if self._found:
            accuracies = {task.id: self._finished[task.id]['value'] for task in tasks if self._is_finished(task)}
            self.work.write_over_training(over_training_file(self._found, self.setup.recipe, tasks, accuracies, self._losses))

    def _measured(self) -> dict[str, Any]:
        """On what the latencies were measured, where there are any."""
        found = self.setup.latencies
        return {} if found is None else {'latency': {**vars(found.conditions), **found.machine}}
