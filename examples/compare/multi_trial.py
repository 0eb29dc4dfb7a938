"""NNI's strategies that rate one architecture after another, on an engine that rates them in this process."""

import math
from typing import Any, Callable, Iterable

import torch
from nni.nas import strategy as nas
from nni.nas.execution import ExecutionEngine
from nni.nas.execution.event import FinalMetricEvent, TrainingEndEvent
from nni.nas.nn.pytorch import ModelSpace
from nni.nas.space import ExecutableModelSpace, ModelStatus, SimplifiedModelSpace

from one_shot import need_tianshou

_MOST_REFUSED = 2000    # in a row; then the limit cannot be kept, or the strategy does not try to


class RatingEngine(ExecutionEngine):
    """Rates what a strategy submits, until the budget is spent.

    Parameters
    ----------
    rate
        From an architecture to its accuracy.
    budget_left
        Whether another may be rated.
    within
        Whether an architecture keeps the limit. One that does not is not rated, and costs nothing of the budget.
    reward_over_limit
        What a strategy is told of one that does not. None: that it failed, so that the strategy passes over it.
    """

    def __init__(self, rate: Callable[[dict[str, Any]], float], budget_left: Callable[[], bool],
                 within: Callable[[dict[str, Any]], bool], reward_over_limit: float | None) -> None:
        super().__init__()
        self.rate = rate
        self.budget_left = budget_left
        self.within = within
        self.reward_over_limit = reward_over_limit
        self.best: tuple[float, dict[str, Any]] | None = None
        self._submitted: list[ExecutableModelSpace] = []
        self._refused = 0

    def submit_models(self, *models: ExecutableModelSpace) -> None:
        """Rate these now."""
        for model in models:
            self._submitted.append(model)
            allowed = self.within(model.sample)
            self._refused = 0 if allowed else self._refused + 1
            if self._refused > _MOST_REFUSED:
                raise RuntimeError(f'{_MOST_REFUSED} architectures in a row were over the limit; raise max_madds')
            metric = self.rate(model.sample) if allowed else self.reward_over_limit
            if allowed and (self.best is None or metric > self.best[0]):
                self.best = metric, model.sample
            if metric is not None:
                self.dispatch_model_event(FinalMetricEvent(model, metric))
            self.dispatch_model_event(TrainingEndEvent(model, ModelStatus.Failed if metric is None else ModelStatus.Trained))

    def list_models(self, status: ModelStatus | None = None) -> Iterable[ExecutableModelSpace]:
        """What was submitted."""
        return [model for model in self._submitted if status in (None, model.status)]

    def idle_worker_available(self) -> bool:
        """Always: a submitted model has been rated when the strategy goes on."""
        return True

    def budget_available(self) -> bool:
        """Whether another may be rated."""
        return self.budget_left()


def best_by(strategy: nas.Strategy, space: ModelSpace, engine: RatingEngine) -> dict[str, Any]:
    """Let a strategy explore a space; return the best architecture that it found within the limit.

    Parameters
    ----------
    strategy
        Of NNI, new.
    space
        The model space.
    engine
        Rates what the strategy asks for.
    """
    strategy(SimplifiedModelSpace.from_model(space), engine)
    if engine.best is None:
        raise RuntimeError('the budget buys no rating at all; raise budget, or lower short_epochs')
    return engine.best[1]


def multi_trial_strategy(name: str, seed: int, ratings: int) -> tuple[nas.Strategy, float | None]:
    """A strategy scaled to so many ratings, and what it is to be told of an architecture over the limit.

    Parameters
    ----------
    name
        ``random``, ``regularized_evolution``, ``tpe`` or ``policy_rl``.
    seed
        Of the strategy, where NNI lets it have one.
    ratings
        How many architectures can be rated.
    """
    if name == 'random':
        return nas.Random(seed=seed), None
    if name == 'regularized_evolution':
        # A third of the ratings start the population; at NNI's mutation rate (0.05) most children would be their parents.
        population = max(2, ratings // 3)
        return nas.RegularizedEvolution(population_size=population, sample_size=math.ceil(population / 2), mutation_prob=0.15,
                                        seed=seed), None
    if name == 'tpe':
        return nas.TPE(optimize_mode='maximize', seed=seed, tpe_args={'n_startup_jobs': max(2, ratings // 3)}), 0.0
    need_tianshou('PolicyBasedRL')
    return nas.PolicyBasedRL(samples_per_update=2, policy_fn=_reinforce, update_kwargs={'batch_size': 32, 'repeat': 2}), 0.0


def _reinforce(env: Any) -> Any:
    """REINFORCE on NNI's own network, whose default is PPO; rewards are normalised, as all accuracies are positive."""
    from nni.nas.strategy._rl_impl import Actor, Preprocessor
    from tianshou.policy import PGPolicy
    actor = Actor(env.action_space, Preprocessor(env.observation_space, 64))
    return PGPolicy(actor, torch.optim.Adam(actor.parameters(), lr=3e-3), torch.distributions.Categorical, discount_factor=1.0,
                    reward_normalization=True, action_space=env.action_space)
