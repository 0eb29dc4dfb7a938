"""What the user gave the experiment: model space, evaluator, loaders, hooks. It travels to trials by NNI's serialiser."""

from __future__ import annotations

import copy
import inspect
import json
from dataclasses import dataclass, replace
from typing import Any, Mapping, Sequence

import nni
from nni.nas.evaluator import Evaluator, FunctionalEvaluator
from nni.nas.evaluator.pytorch import Lightning
from nni.nas.nn.pytorch import ModelSpace

from ..errors import SettingsError

__all__ = ['Parts']


@dataclass(frozen=True, kw_only=True)
class Parts:
    """What the user gave the experiment.

    Attributes
    ----------
    space
        The model space's class, and the arguments of its constructor.
    evaluator
        The experiment's evaluator.
    train_dataloaders, val_dataloaders
        Images for the distillation and for the rating, where they are not the evaluator's.
    mutation_hooks
        Further hooks of the mutator.
    """

    space: tuple[type, Sequence[Any], Mapping[str, Any]]
    evaluator: Evaluator
    train_dataloaders: Any = None
    val_dataloaders: Any = None
    mutation_hooks: Sequence[Any] = ()

    def build_space(self) -> ModelSpace:
        """A new model space."""
        symbol, args, kwargs = self.space
        return symbol(*args, **kwargs)

    def dump(self) -> str:
        """As text, for a trial.

        Raises
        ------
        SettingsError
            If NNI cannot serialise a part.
        """
        symbol, args, kwargs = self.space
        try:
            return nni.dump({'space_symbol': symbol, 'space_args': list(args), 'space_kwargs': dict(kwargs),
                             'evaluator': self.evaluator, 'train': self.train_dataloaders, 'val': self.val_dataloaders,
                             'hooks': list(self.mutation_hooks)})
        except Exception as error:  # NNI's serialiser raises errors of many kinds
            raise SettingsError('evaluator: it cannot be sent to trials, since NNI cannot serialise it or one of its parts '
                                f'({type(error).__name__}: {error}); wrap the classes of datasets, loaders and LightningModules '
                                'in nni.trace and put them in a module, or use the sequential engine: '
                                "NasExperimentConfig('sequential', 'simplified', 'local')") from error

    @staticmethod
    def load(text: str) -> Parts:
        """What `dump` gave; everything in it is built anew."""
        found = nni.load(text)
        return Parts(space=(found['space_symbol'], found['space_args'], found['space_kwargs']), evaluator=found['evaluator'],
                     train_dataloaders=found['train'], val_dataloaders=found['val'], mutation_hooks=found['hooks'])

    def fresh(self) -> Parts:
        """With an evaluator that has trained nothing yet: Lightning's module and trainer remember what they did."""
        if not isinstance(self.evaluator, Lightning):
            return self
        evaluator = copy.copy(self.evaluator)
        evaluator.module = copy.deepcopy(self.evaluator.module)
        trainer = self.evaluator.trainer
        evaluator.trainer = trainer.trace_symbol(*trainer.trace_args, **trainer.trace_kwargs)
        return replace(self, evaluator=evaluator)

    def record(self) -> dict[str, Any]:
        """As JSON-able data: by what a work folder knows the experiment again.

        A part that has no text form of its own counts by its class alone.
        """
        symbol, args, kwargs = self.space
        return {'space': {'name': f'{symbol.__module__}:{symbol.__qualname__}', 'args': _named(symbol, args, kwargs)},
                'evaluator': _plain(self.evaluator), 'train_dataloaders': _plain(self.train_dataloaders),
                'val_dataloaders': _plain(self.val_dataloaders), 'mutation_hooks': [_plain(hook) for hook in self.mutation_hooks]}


def _named(symbol: type, args: Sequence[Any], kwargs: Mapping[str, Any]) -> dict[str, Any]:
    """All arguments of a constructor by name."""
    # NNI wraps the constructors of its modules; the one that the user wrote, which takes self, is kept here.
    bound = inspect.signature(getattr(symbol, '_init_wrapped')).bind(None, *args, **kwargs).arguments
    return {name: _plain(value) for name, value in list(bound.items())[1:]}


def _plain(value: Any) -> Any:
    if isinstance(value, FunctionalEvaluator):
        return {'function': _plain(value.function), **{key: _plain(entry) for key, entry in value.arguments.items()}}
    if hasattr(value, 'trace_symbol'):
        symbol = value.trace_symbol
        arguments = [_plain(entry) for entry in value.trace_args], {k: _plain(v) for k, v in value.trace_kwargs.items()}
        return {'class': f'{symbol.__module__}:{symbol.__qualname__}', 'args': arguments[0], 'kwargs': arguments[1]}
    if isinstance(value, Mapping):
        return {str(key): _plain(entry) for key, entry in value.items()}
    if isinstance(value, (list, tuple)):
        return [_plain(entry) for entry in value]
    if isinstance(value, type) or callable(value) and hasattr(value, '__qualname__'):
        return f'{value.__module__}:{value.__qualname__}'
    try:
        return json.loads(json.dumps(value))
    except (TypeError, ValueError):
        return f'{type(value).__module__}:{type(value).__qualname__}'
