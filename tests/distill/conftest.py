"""What the tests of the distillation share."""

import pytest
import toys
import torch
from test_blockwise_training import toy_images


@pytest.fixture
def teacher():
    """With statistics that training mode would move."""
    made = toys.staged_teacher()
    made.network.train()
    with torch.no_grad():
        made.network(toy_images()[0])
    made.network.eval()
    return made
