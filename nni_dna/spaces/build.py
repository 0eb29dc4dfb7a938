"""Build a model space by name or import path."""

from __future__ import annotations

from typing import Any, Callable, Mapping

import torch
from nni.nas.hub import pytorch as hub
from nni.nas.nn.pytorch import ModelSpace

from ..errors import SpaceError, nearest
from ..imports import import_object, is_import_path, with_num_classes
from .dna import DNASpace

__all__ = ['build_space', 'without_memory', 'SPACES']


_PAPER = (
    {'stride': 2, 'cells': ['2x24', '3x24', '2x32']},
    {'stride': 2, 'cells': ['2x40', '3x40', '4x40']},
    {'stride': 2, 'cells': ['2x80', '3x80', '4x80']},
    {'stride': 1, 'cells': ['3x112', '4x112', '4x96']},
    {'stride': 2, 'cells': ['4x192', '5x192', '5x160']},
    {'stride': 1, 'cells': ['1x320']},
)

_DIGITS = (
    {'stride': 2, 'cells': ['2x4', '2x8']},
    {'stride': 2, 'cells': ['1x16', '2x4', '2x16']},
    {'stride': 2, 'cells': ['1x24', '2x8', '2x24']},
)


def dna(**kwargs: Any) -> DNASpace:
    """The paper's space for the teacher EfficientNet-B7 (section 4.1): 1.96e17 architectures.

    Another table of cells (for another teacher, say) is given as ``blocks``.
    """
    return DNASpace(**{'blocks': _PAPER, **kwargs})


def digits(**kwargs: Any) -> DNASpace:
    """A small sibling for 32-pixel images: three blocks, 438,048 architectures.

    So narrow that on the digits it makes a difference which architecture is trained.
    """
    return DNASpace(**{'blocks': _DIGITS, 'stem_width': 8, 'first_width': 0, 'head_width': 64, 'dropout': 0.1, **kwargs})


SPACES: dict[str, Callable[..., ModelSpace]] = {
    'dna': dna, 'digits': digits,
    'proxylessnas': hub.ProxylessNAS, 'mobilenetv3': hub.MobileNetV3Space, 'shufflenet': hub.ShuffleNetSpace}
"""The spaces that have a short name: our own, and those of NNI's hub that are chains."""


def without_memory(build: Callable[[], ModelSpace]) -> ModelSpace:
    """A model space on the meta device: to read, and to count.

    Parameters
    ----------
    build
        Builds it on PyTorch's default device.
    """
    try:
        with torch.device('meta'):
            return build()
    except Exception:  # some constructors compute with tensors, which the meta device cannot
        return build().to('meta')


def build_space(name: str, args: Mapping[str, Any], num_classes: int) -> ModelSpace:
    """Build a model space.

    Parameters
    ----------
    name
        One of ``SPACES``, or the import path of a ModelSpace class (or of a function that returns a ModelSpace).
    args
        Keyword arguments of its constructor.
    num_classes
        Of the task; passed on where the constructor takes it and ``args`` does not give it.

    Raises
    ------
    SpaceError
        If there is no such space, or its constructor fails.
    """
    if name in SPACES:
        factory = SPACES[name]
    elif is_import_path(name):
        factory = import_object(name, 'space.name')
    else:
        raise SpaceError(f'space.name: expected one of {", ".join(SPACES)} or an import path, got {name!r}; '
                         f'{nearest(name, SPACES)}')
    try:
        space = factory(**with_num_classes(factory, args, num_classes))
    except SpaceError:
        raise
    except Exception as error:
        raise SpaceError(f'space.args: building {name!r} with {dict(args)!r} failed: {type(error).__name__}: {error}; mend '
                         'space.args, or space.name') from error
    if not isinstance(space, ModelSpace):
        raise SpaceError(f'space.name: expected {name!r} to give an nni.nas.nn.pytorch.ModelSpace, '
                         f'got {type(space).__name__}; name a model space')
    return space
