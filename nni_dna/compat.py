"""What NNI 3.0, the last release, leaves undone. Everything that mends NNI itself is here."""

from __future__ import annotations

from typing import Any, Callable, Iterator, Mapping, Sized

from nni.nas import strategy
from nni.nas.oneshot.pytorch.profiler import ExpectationProfilerPenalty
from nni.nas.oneshot.pytorch.supermodule._expression_utils import expression_expectation
from nni.runtime.tuner_command_channel import TunerCommandChannel
from nni.runtime.tuner_command_channel.command_type import CommandType

__all__ = ['let_nas_experiments_resume', 'ENAS', 'ExpectedCostPenalty']

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


class NamedBatches:
    """The batches of several loaders, one loader after another, each batch as the pair (batch, loader's name).

    Parameters
    ----------
    loaders
        The loaders, by name, in their order.
    """

    def __init__(self, **loaders: Any):
        self.loaders = loaders

    def __len__(self) -> int:
        return sum(len(loader) for loader in self.loaders.values())

    def __iter__(self) -> Iterator[tuple[Any, str]]:
        for name, loader in self.loaders.items():
            for batch in loader:
                yield batch, name


class ENAS(strategy.ENAS):
    """NNI's ENAS for every Lightning from 2.0 on.

    ENAS trains the network on the training batches and its controller on the validation batches, which follow in the same
    epoch. NNI's own loader relies on Lightning 2.0 handing over each batch with the index of its loader. Later versions hand
    over the batch alone, and NNI takes the labels for the index. Here the loader gives the name along with the batch: the form
    that NNI's ENAS has always accepted.
    """

    def train_dataloader(self, train_dataloader_fn: Callable[[], Sized], val_dataloader_fn: Callable[[], Sized]) -> NamedBatches:
        return NamedBatches(train=train_dataloader_fn(), val=val_dataloader_fn())


class ExpectedCostPenalty(ExpectationProfilerPenalty):
    """NNI's penalty on the expected cost of a supernet, for DARTS, GumbelDARTS and Proxyless, with a gradient.

    NNI computes the expectation from probabilities that it has made plain numbers of, so the penalty is a constant: it shows in
    the loss and changes no architecture parameter. Here they are taken from the parameters themselves.

    Parameters
    ----------
    searching
        The strategy; it takes this penalty by ``searching.penalty = ...``, before it starts.
    **options
        Of NNI's ``ExpectationProfilerPenalty``: ``profiler``, ``baseline``, ``scale``, ``nonlinear``, ``aggregate``.
    """

    def __init__(self, searching: strategy.DARTS, **options: Any):
        super().__init__(**options)
        self._searching = searching

    def profile(self, sample: Mapping[str, Mapping[Any, float]]) -> Any:
        """The expected cost, as a tensor. Of the sample only the names of labels and choices count, and their order."""
        alphas = self._searching._arch_parameters
        probabilities = {label: dict(zip(choices, alphas[label].softmax(-1).unbind()))
                         for label, choices in sample.items() if label in alphas}
        return expression_expectation(self.profiler.expression, probabilities)
