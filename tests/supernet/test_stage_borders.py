"""The supernets of a space between the teacher's stages."""

import pytest
import torch
from torch import nn

import toys
from nni_dna.cost import cost_tables
from nni_dna.errors import TeacherError
from nni_dna.spaces import build_space, read_chain
from nni_dna.supernet import DNAMutator, cell_supernet, match_stages


@pytest.fixture(scope='module')
def toy_chain():
    return read_chain(toys.Space())


OUTPUTS = (((4, 8, 8), (6, 8, 8)), ((8, 4, 4),))


def test_stages_of_the_blocks_resolutions_match_whatever_their_widths(toy_chain):
    match_stages(toy_chain, OUTPUTS, ['a', 'b'], [(99, 8, 8), (1, 4, 4)])


@pytest.mark.parametrize('stages', [[], ['a'], ['a', 'b', 'c']])
def test_a_stage_too_many_or_too_few_is_refused(toy_chain, stages):
    shapes = [(8, 8, 8), (16, 4, 4), (16, 2, 2)][:len(stages)]
    with pytest.raises(TeacherError, match=f'one stage for each of the 2 blocks of the space, got {len(stages)}: '
                                           + ', '.join(stages)):
        match_stages(toy_chain, OUTPUTS, stages, shapes)


@pytest.mark.parametrize('teacher, message', [
    ([(8, 16, 16), (16, 4, 4)], r"block1 \(cell shallow\) gives 8x8 pixels but teacher stage 'first' gives 16x16"),
    ([(8, 8, 8), (16, 2, 2)], r"block2 \(cell only\) gives 4x4 pixels but teacher stage 'second' gives 2x2"),
    ([(8, 8, 4), (16, 4, 4)], r"block1 \(cell shallow\) gives 8x8 pixels but teacher stage 'first' gives 8x4"),
])
def test_a_stage_of_another_resolution_is_refused_with_all_of_them(toy_chain, teacher, message):
    table = '; '.join(f'{name}: {h}x{w}' for name, (_, h, w) in zip(('first', 'second'), teacher))
    with pytest.raises(TeacherError, match=f'{message}.*Stages: {table}$'):
        match_stages(toy_chain, OUTPUTS, ['first', 'second'], teacher)


def test_every_cell_of_a_block_is_checked(toy_chain):
    with pytest.raises(TeacherError, match=r'block1 \(cell deep\) gives 9x9'):
        match_stages(toy_chain, (((4, 8, 8), (6, 9, 9)), ((8, 4, 4),)), ['a', 'b'], [(8, 8, 8), (16, 4, 4)])


def test_every_supernet_turns_its_stages_input_into_a_map_of_its_stages_shape():
    teacher = toys.staged_teacher()
    images = torch.randn(2, 3, 16, 16)
    maps = [images, *teacher(images)]
    supernets = toys.supernets(teacher)
    assert sorted(supernets) == [(0, 0), (0, 1), (1, 0)]
    for (block, _), supernet in supernets.items():
        path = [0] * (len(supernet.steps) - 2)
        assert supernet(maps[block], path).shape == maps[block + 1].shape


def test_between_teacher_and_student_are_convolutions_of_one_pixel():
    supernets = toys.supernets(toys.staged_teacher(width=10))
    assert isinstance(supernets[0, 0].steps[0], nn.Identity)  # the toy space has no stem
    projection, norm = supernets[1, 0].steps[0]
    assert (projection.in_channels, projection.out_channels, projection.kernel_size) == (10, 6, (1, 1))
    assert isinstance(norm, nn.BatchNorm2d)
    for key, widths in {(0, 0): (4, 10), (0, 1): (6, 10), (1, 0): (8, 20)}.items():
        exit = supernets[key].steps[-1]
        assert (exit.in_channels, exit.out_channels, exit.kernel_size) == (*widths, (1, 1))


def test_behind_a_restricted_block_the_projection_has_the_width_of_its_last_cell():
    restriction = {'cell': {'_type': 'choice', '_value': ['shallow']}}
    supernets = toys.supernets(toys.staged_teacher(), restriction)
    assert sorted(supernets) == [(0, 0), (1, 0)]
    assert supernets[1, 0].steps[0][0].out_channels == 4
    assert supernets[1, 0](torch.randn(2, 8, 8, 8), (1, 1)).shape == (2, 16, 4, 4)


def test_the_first_block_gets_a_stem_of_its_own():
    torch.manual_seed(0)
    space = build_space('digits', {}, num_classes=10)
    chain = read_chain(space)
    with torch.device('meta'):
        costs = cost_tables(build_space('digits', {}, num_classes=10), chain, (3, 32, 32))
    teacher = [(20, 8, 8), (40, 4, 4), (80, 2, 2)]
    supernet = cell_supernet(DNAMutator(), space, chain, 0, 1, costs.input_shapes, costs.output_shapes, teacher)
    stem = supernet.steps[0]
    assert stem is not space.stem
    assert all(torch.equal(a, b) for a, b in zip(stem.state_dict().values(), space.stem.state_dict().values()))
    output = supernet(torch.randn(2, 3, 32, 32), (3, 4))
    assert output.shape == (2, 20, 8, 8)
    output.sum().backward()
    assert all(weight.grad is not None for weight in stem.parameters())
    assert all(weight.grad is None for weight in space.parameters())
