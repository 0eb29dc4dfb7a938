"""What the user gave the experiment: model space, evaluator, loaders, hooks. It travels to trials by NNI's serialiser."""

from __future__ import annotations

import copy
import json
from dataclasses import dataclass, replace
from enum import Enum
from pathlib import PurePath
from typing import Any, Mapping, Sequence

import nni
import torch
from nni.mutable import Mutable
from nni.nas.evaluator import Evaluator, FunctionalEvaluator
from nni.nas.evaluator.pytorch import Lightning
from nni.nas.nn.pytorch import ModelSpace
from nni.nas.space import ExecutableModelSpace, RawFormatModelSpace, SimplifiedModelSpace

from ..errors import SettingsError
from ..imports import import_object, signature_of

__all__ = ['Parts', 'traced']


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
            raise SettingsError('the evaluator and the model space cannot be sent to trials, since NNI cannot serialise one of '
                                f'their parts ({type(error).__name__}: {error}); put their classes in a module and wrap those '
                                'of datasets, loaders and LightningModules in nni.trace, or use the sequential engine: '
                                "NasExperimentConfig('sequential', 'simplified', 'local')") from error

    @staticmethod
    def load(text: str) -> Parts:
        """What `dump` gave; everything in it is built anew."""
        found = nni.load(text)
        return Parts(space=(found['space_symbol'], found['space_args'], found['space_kwargs']), evaluator=found['evaluator'],
                     train_dataloaders=found['train'], val_dataloaders=found['val'], mutation_hooks=found['hooks'])

    def fresh(self) -> Parts:
        """With an evaluator that has trained nothing yet: Lightning's module, trainer and callbacks remember what they did.

        Raises
        ------
        SettingsError
            If they cannot be copied.
        """
        if not isinstance(self.evaluator, Lightning):
            return self
        evaluator = copy.copy(self.evaluator)
        trainer = self.evaluator.trainer.trace_copy()
        try:
            evaluator.module = copy.deepcopy(self.evaluator.module)
            if 'callbacks' in trainer.trace_kwargs:
                trainer.trace_kwargs['callbacks'] = copy.deepcopy(trainer.trace_kwargs['callbacks'])
        except Exception as error:  # locks, open files
            raise SettingsError('evaluator: its module and callbacks must be copied, since each network needs some that have '
                                f'trained nothing yet, which failed: {type(error).__name__}: {error}; make what they hold when '
                                'training starts') from error
        evaluator.trainer = trainer.get()
        return replace(self, evaluator=evaluator)

    def record(self) -> dict[str, Any]:
        """As JSON-able data: by what a work folder knows the experiment again.

        A part that has no text form of its own counts by its class alone.
        """
        symbol, args, kwargs = self.space
        return {'space': {'name': f'{symbol.__module__}:{symbol.__qualname__}', 'args': _named(symbol, args, kwargs)},
                'evaluator': _plain(self.evaluator), 'train_dataloaders': _plain(self.train_dataloaders),
                'val_dataloaders': _plain(self.val_dataloaders), 'mutation_hooks': [_plain(hook) for hook in self.mutation_hooks]}

    @staticmethod
    def from_record(record: Mapping[str, Any]) -> Parts:
        """What `record` gave: everything that NNI traced is made again from its class and arguments.

        Raises
        ------
        SettingsError
            If a part cannot be made, as one that is known by its class alone.
        """
        space = record['space']
        try:
            return Parts(space=(import_object(space['name'], 'model space'), (), space['args']),
                         evaluator=_made(record['evaluator']), train_dataloaders=_made(record['train_dataloaders']),
                         val_dataloaders=_made(record['val_dataloaders']),
                         mutation_hooks=[import_object(hook, 'mutation_hooks') for hook in record['mutation_hooks']])
        except Exception as error:  # the user's own constructors
            raise SettingsError('the evaluator and the loaders cannot be made again from what the work folder knows of them '
                                f'({type(error).__name__}: {error}); wrap the classes of datasets and LightningModules in '
                                'nni.trace, and define them in modules beside the script') from error


def _named(symbol: type, args: Sequence[Any], kwargs: Mapping[str, Any]) -> dict[str, Any]:
    """All arguments of a constructor by name."""
    bound = signature_of(symbol).bind(*args, **kwargs)
    rest = next((name for name, parameter in bound.signature.parameters.items() if parameter.kind is parameter.VAR_KEYWORD), '')
    arguments = dict(bound.arguments)
    return {name: _plain(value) for name, value in {**arguments.pop(rest, {}), **arguments}.items()}


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
    if isinstance(value, Mutable):
        return repr(value)
    if isinstance(value, (PurePath, Enum, torch.dtype, torch.device)):
        return str(value)
    try:
        return json.loads(json.dumps(value))
    except (TypeError, ValueError):
        return f'{type(value).__module__}:{type(value).__qualname__}'


def _made(plain: Any) -> Any:
    """The inverse of `_plain`, as far as there is one."""
    if isinstance(plain, Mapping) and plain.keys() == {'class', 'args', 'kwargs'}:
        symbol = nni.trace(import_object(plain['class'], 'evaluator'))
        return symbol(*_made(plain['args']), **_made(plain['kwargs']))
    if isinstance(plain, Mapping) and 'function' in plain:
        arguments = {key: _made(value) for key, value in plain.items() if key != 'function'}
        return FunctionalEvaluator(import_object(plain['function'], 'evaluator'), **arguments)
    if isinstance(plain, Mapping):
        return {key: _made(value) for key, value in plain.items()}
    return [_made(entry) for entry in plain] if isinstance(plain, list) else plain


def traced(model_space: ExecutableModelSpace) -> tuple[type, Sequence[Any], Mapping[str, Any]]:
    """The class of a model space and the arguments of its constructor, as NNI keeps them.

    Raises
    ------
    SettingsError
        If NNI converted the space to another format.
    """
    if isinstance(model_space, SimplifiedModelSpace):
        made: Any = model_space.model
    elif isinstance(model_space, RawFormatModelSpace) and isinstance(model_space.model_space, ModelSpace):
        made = model_space.model_space
    else:
        raise SettingsError(f'model format: expected "simplified" or "raw", got {type(model_space).__name__}; use '
                            "NasExperimentConfig('ts', 'simplified', 'local')")
    return made.trace_symbol, list(made.trace_args), dict(made.trace_kwargs)
