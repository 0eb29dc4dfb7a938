"""Resolve import paths that the user wrote in the settings: ``package.module.Name`` or ``package.module:Name``."""

from __future__ import annotations

import importlib
import inspect
import sys
from pathlib import Path
from typing import Any, Callable, Mapping

from .errors import NniDnaError, SettingsError, nearest

__all__ = ['import_object', 'add_to_path', 'is_import_path', 'signature_of', 'with_num_classes']


def is_import_path(name: str) -> bool:
    """Whether a name is an import path rather than one of our short names."""
    return '.' in name or ':' in name


def add_to_path(folder: Path | str) -> None:
    """Let the user's modules beside the experiment's YAML file be imported, as NNI does for tuners."""
    if str(folder) not in sys.path:
        sys.path.append(str(folder))


def import_object(path: str, option: str) -> Any:
    """Import what an option names.

    Parameters
    ----------
    path
        ``package.module.Name`` or ``package.module:Name``.
    option
        The option's full name, for the error message.

    Raises
    ------
    SettingsError
        If the module cannot be imported or has no such name.
    """
    module_name, _, attribute = path.partition(':') if ':' in path else path.rpartition('.')
    if not module_name or not attribute:
        raise SettingsError(f'{option}: expected an import path such as package.module.Name, got {path!r}; mend {option}')
    try:
        module = importlib.import_module(module_name)
    except NniDnaError:
        raise
    except Exception as error:  # whatever the user's module raises on import is theirs to see
        raise SettingsError(f'{option}: cannot import module {module_name!r} of {path!r}: {type(error).__name__}: {error}; '
                            'put the module beside the experiment\'s YAML file or install it') from error
    if not hasattr(module, attribute):
        raise SettingsError(f'{option}: module {module_name!r} has no {attribute!r}; {nearest(attribute, vars(module))}')
    return getattr(module, attribute)


def signature_of(factory: Callable) -> inspect.Signature:
    """The signature of a function, or of the constructor that the user wrote: NNI wraps those of its modules."""
    for kind in getattr(factory, '__mro__', ()):
        written = kind.__dict__.get('_init_wrapped')
        inherited = any(base.__dict__.get('__init__') is written for base in kind.__mro__[1:])
        if written is not None and not inherited:
            signature = inspect.signature(written)
            return signature.replace(parameters=list(signature.parameters.values())[1:])
    return inspect.signature(factory)


def with_num_classes(factory: Callable, args: Mapping[str, Any], num_classes: int) -> dict[str, Any]:
    """The arguments of a factory, with the task's number of classes added where it takes one and none is given."""
    parameters = signature_of(factory).parameters
    if 'num_labels' in parameters:  # as NNI's model spaces call it
        return {'num_labels': num_classes, **args}
    takes_it = 'num_classes' in parameters or any(p.kind is p.VAR_KEYWORD for p in parameters.values())
    return {'num_classes': num_classes, **args} if takes_it else dict(args)
