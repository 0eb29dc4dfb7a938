"""Take a model space apart into the units that run one after another, by one dry run on the meta device."""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import nn
from nni.nas.nn.pytorch import ModelSpace, MutableModule

from ..errors import SpaceError
from ..tracing import Passage, run_of, trace
from .labels import labels_of, structural_labels

__all__ = ['Unit', 'units_of', 'is_container']

_INSTEAD = ('block-wise search needs a chain of blocks; search such a space with nni.nas.strategy.DARTS, ENAS or '
            'RegularizedEvolution instead')


@dataclass(frozen=True, kw_only=True)
class Unit:
    """A module of a model space that is cut no further.

    Attributes
    ----------
    name
        Name of the module in the space.
    size
        (height, width) of its output; None where it gives no feature map.
    pointwise
        Whether it only normalises or activates what it is given, each channel on its own.
    """

    name: str
    size: tuple[int, int] | None
    pointwise: bool = False


def units_of(space: ModelSpace, image_shape: tuple[int, ...]) -> list[Unit]:
    """The units of a model space, as far as they run one after another.

    A Sequential is taken apart into its children, and so is any other module that only runs its children one after another
    and whose children share no label. What runs after the last unit (pooling, classifier) is not in the list.

    Parameters
    ----------
    space
        The model space, built on the meta device.
    image_shape
        (channels, height, width).

    Raises
    ------
    SpaceError
        If the space cannot run on such images, or a choice is in no unit.
    """
    try:
        root = trace(space, torch.zeros(1, *image_shape, device='meta'))
    except Exception as error:  # whatever the user's forward raises
        raise SpaceError(f'the model space cannot run on images of shape {image_shape}: {type(error).__name__}: {error}; '
                         'change data.image_size, or the strides of the space') from error
    run = run_of(root)
    passages = [piece for passage in run.passages for piece in _apart(passage)]
    _check_once(root)
    last = max((index for index, passage in enumerate(passages) if labels_of(passage.module)), default=-1)
    _check_all_choices(space, root.inner[len(run.passages):], passages)
    kept = passages[:last + 1] + _maps(passages[last + 1:])
    return [Unit(name=passage.name, size=(passage.shape[1], passage.shape[2]) if passage.is_map else None,
                 pointwise=_is_pointwise(passage)) for passage in kept]


def _maps(passages: list[Passage]) -> list[Passage]:
    """The passages before the first that gives no feature map."""
    count = next((index for index, passage in enumerate(passages) if not passage.is_map), len(passages))
    return passages[:count]


def _is_pointwise(passage: Passage) -> bool:
    if not passage.is_map or not isinstance(passage.given, torch.Tensor) or passage.given.shape != passage.output.shape:
        return False
    weights = all(parameter.ndim <= 1 for parameter in passage.module.parameters())
    return weights and not any(hasattr(part, 'kernel_size') for part in passage.module.modules())


def is_container(module: nn.Module) -> bool:
    """Whether a module does nothing but run its children one after another, as nn.Sequential."""
    return type(module) is nn.Sequential


def _apart(passage: Passage) -> list[Passage]:
    """The units within a call."""
    module = passage.module
    if isinstance(module, MutableModule) or not labels_of(module):
        return [passage]
    run = run_of(passage)
    if not run.whole or not (is_container(module) or _may_be_cut(run.passages)):
        return [passage]
    return [piece for inner in run.passages for piece in _apart(inner)]


def _may_be_cut(passages: tuple[Passage, ...]) -> bool:
    """Whether the children of a module are choices of their own, rather than parts of one operation."""
    labels = [set(labels_of(passage.module)) for passage in passages]
    return any(structural_labels(passage.module) for passage in passages) and \
        sum(map(len, labels)) == len(set().union(*labels))


def _check_once(root: Passage) -> None:
    seen: set[str] = set()
    todo = [root]
    while todo:
        passage = todo.pop()
        todo += passage.inner
        if passage.name in seen and labels_of(passage.module):
            raise SpaceError(f'module {passage.name!r} of the model space runs twice in a forward pass; {_INSTEAD}')
        seen.add(passage.name)


def _check_all_choices(space: ModelSpace, behind: list[Passage], passages: list[Passage]) -> None:
    known = {label for passage in passages for label in labels_of(passage.module)}
    tail = {label for passage in behind for label in labels_of(passage.module)}
    # Sizes may reach into the classifier; operations may not.
    lost = [label for label in labels_of(space) if label not in known]
    inside = [label for passage in behind for label in structural_labels(passage.module)]
    if not lost and not inside:
        return
    label = (inside or lost)[0]
    before = f'behind {passages[-1].name!r}' if passages else 'at the first module'
    where = f'the modules stop running one after another {before}' if label in tail or inside else \
        'it is in no module that ran in a forward pass'
    raise SpaceError(f'label {label!r} of model space {type(space).__name__}: {where}; {_INSTEAD}')
