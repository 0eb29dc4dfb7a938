"""The equal-cost study's settings: its spaces, and the variants of the method beside which it is measured."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from networks import SmallResNet
from nni_dna.lightning import seed_all
from nni_dna.weights import save_weights
from study import with_teacher

__all__ = ['SPACES', 'VARIANTS', 'sections_for', 'sections_of']

_STRIDES = (2, 2, 1)

SPACES: dict[str, tuple[list[list[str]], int]] = {
    'even': ([['1x8', '2x8', '1x12', '2x12'], ['1x16', '2x12', '2x16', '3x12'], ['1x24', '2x16', '2x24', '3x16']], 550_000),
    'narrow': ([['2x4', '2x8'], ['1x16', '2x4', '2x16'], ['1x24', '2x8', '2x24']], 450_000),
}
"""The cells of each block, and the multiply-adds of the sample: widths that differ by half at most, with depth to make up for
it; or the cells of the space ``digits``, some of them bottlenecks. The last block keeps its 4x4 pixels."""


def sections_for(space: str) -> dict[str, Any]:
    """The sections of the settings for one of ``SPACES``."""
    blocks = [{'stride': stride, 'cells': cells} for stride, cells in zip(_STRIDES, SPACES[space][0])]
    return {
        'teacher': {'name': 'networks.SmallResNet', 'args': {'width': 32, 'depth': 2},
                    'stages': ['stage2', 'stage3.0', 'stage3'], 'epochs': 6, 'lr': 4e-3},
        'space': {'name': 'dna', 'args': {'blocks': blocks, 'stem_width': 8, 'first_width': 0, 'head_width': 64, 'dropout': 0.0}},
        'distill': {'tasks': 'joint', 'epochs': 3, 'lr_decay': 0.4},
        'rate': {'calibration_images': 256},
    }


VARIANTS: dict[str, dict[str, dict[str, Any]]] = {
    'dna': {},
    'mse': {'rate': {'measure': 'mse'}},
    'progressive': {'distill': {'input': 'progressive', 'tasks': 'cell'}},
    'cascade': {'distill': {'input': 'cascade'}},
    'weak teacher': {'teacher': {'weights': 'train', 'epochs': 1}},
    'untrained teacher': {},
}
"""What differs from the method, section by section. The weights of ``untrained teacher`` are written before it runs."""


def sections_of(space: str, variant: str, teacher: Path | None, work: Path) -> dict[str, Any]:
    """The sections of a variant's settings.

    Parameters
    ----------
    space
        One of ``SPACES``.
    variant
        One of ``VARIANTS``.
    teacher
        Weights of the trained teacher; None trains it, once for each variant.
    work
        Where the weights of an untrained teacher are written.
    """
    given = VARIANTS[variant]
    sections = {name: {**section, **given.get(name, {})} for name, section in sections_for(space).items()}
    if variant == 'untrained teacher':
        teacher = work / 'untrained.safetensors'
        seed_all(0)
        save_weights(SmallResNet(10, **sections['teacher']['args']), teacher)
    return with_teacher(sections, teacher)
