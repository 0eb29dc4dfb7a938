"""Teacher, feature maps and toy supernets to rate."""

import pytest
import torch
from plain_ratings import SCALED_SUPERNETS, TOY_SUPERNETS, stir, stirred, task_of

import toys


@pytest.fixture(scope='module')
def teacher():
    made = toys.staged_teacher()
    stir(made, seed=5)
    return made


@pytest.fixture(scope='module')
def maps(teacher):
    """[images, stage 1, stage 2] of 40 images: 24 to calibrate, 16 held out."""
    images = torch.randn(40, 3, 16, 16, generator=torch.Generator().manual_seed(3)) + 0.3
    return [images, *teacher(images)]


@pytest.fixture
def toy(teacher):
    """(supernet, its cells) of the toy space by key, as after some training."""
    return stirred(teacher, toys.Space)


@pytest.fixture
def scaled(teacher):
    """Likewise of the toy space whose supernets have several cells."""
    return stirred(teacher, toys.Scaled)


@pytest.fixture(params=[('toy', key) for key in TOY_SUPERNETS] + [('scaled', key) for key in SCALED_SUPERNETS], ids=str)
def case(request, maps):
    """A supernet, its cells, and what it is rated on."""
    space, key = request.param
    return *request.getfixturevalue(space)[key], *task_of(maps, key[0])
