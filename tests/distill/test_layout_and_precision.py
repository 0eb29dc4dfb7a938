"""How the distillation computes: memory layout, precision, a compiled teacher. The result is the same to rounding."""

import pytest
import toys
import torch
from running import make_setup, rating_tables, run_in_process

from nni_dna.errors import SpaceError, TrainingError
from nni_dna.teacher import StagedTeacher

FAST = {'teacher': {'epochs': 1}, 'retrain': {'epochs': 1}, 'search': {'top_k': 1}}


@pytest.fixture(scope='module')
def plain(tmp_path_factory):
    return rating_tables(run_in_process(tmp_path_factory.mktemp('plain') / 'work', **FAST))


@pytest.mark.parametrize('distill, tolerance', [({'channels_last': True}, 1e-4), ({'precision': 'bf16-mixed'}, 0.05)])
def test_ratings_are_the_same_to_rounding(plain, tmp_path, distill, tolerance):
    found = rating_tables(run_in_process(tmp_path / 'work', **FAST, distill=distill))
    for name, table in plain.items():
        torch.testing.assert_close(torch.tensor(found[name]), torch.tensor(table), rtol=tolerance, atol=0)
        assert (found[name] != table).any()  # it did compute otherwise


class Flat(toys.Space):
    """A layer of it looks at its input in a way that only the usual layout allows."""

    def __init__(self, num_classes=4):
        super().__init__(num_classes)
        self.blocks[1].insert(1, Flattened())


class Flattened(torch.nn.Module):
    def forward(self, x):
        return x.view(x.shape[0], -1).view(x.shape)


def test_layers_that_need_another_layout_are_refused_before_the_first_trial(tmp_path):
    changes = {'space': {'name': f'{__name__}.Flat'}}
    make_setup(tmp_path / 'work', **changes).check()
    make_setup(tmp_path / 'work', distill={'channels_last': True}).check()
    with pytest.raises(SpaceError, match='^distill.channels_last: expected layers .*; leave it out, or use reshape'):
        make_setup(tmp_path / 'work', **changes, distill={'channels_last': True}).check()


def test_what_torch_compile_cannot_do_is_said_with_the_remedy(tmp_path, monkeypatch):
    def broken(graph, inputs):
        raise OSError('no compiler')

    torch._dynamo.reset()
    compile_teacher = StagedTeacher.compile
    monkeypatch.setattr(StagedTeacher, 'compile', lambda teacher: compile_teacher(teacher, backend=broken))
    with pytest.raises(TrainingError, match=r'(?s)^distill.compile_teacher: expected .*no compiler.*; leave it out'):
        run_in_process(tmp_path / 'work', **FAST, distill={'compile_teacher': True})
