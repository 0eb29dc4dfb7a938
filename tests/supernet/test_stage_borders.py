"""The supernets of a space between the teacher's stages."""

import nni
import pytest
import torch
from torch import nn
from torchvision import models
from nni.nas.nn.pytorch import LayerChoice, Repeat

import toys
from made import Made, choice, conv, made, on_meta, read, seq, shuffle, short_mobilenet
from nni_dna.cost import border_shapes
from nni_dna.errors import SpaceError, TeacherError
from nni_dna.spaces import build_space
from nni_dna.supernet import DNAMutator, block_supernet, match, match_stages
from nni_dna.teacher import StagedTeacher


@pytest.fixture(scope='module')
def toy_chain():
    return toys.read_chain()


OUTPUTS = (((4, 8, 8), (6, 8, 8)), ((8, 4, 4),))


def test_stages_of_the_blocks_resolutions_match_whatever_their_widths(toy_chain):
    match_stages(toy_chain, OUTPUTS, ['a', 'b'], [(99, 8, 8), (1, 4, 4)])


@pytest.mark.parametrize('teacher, message', [
    ([(8, 16, 16), (16, 4, 4)], r"block1 \(cell shallow\) gives 8x8 pixels but teacher stage 'first' gives 16x16"),
    ([(8, 8, 8), (16, 2, 2)], r"block2 \(cell only\) gives 4x4 pixels but teacher stage 'second' gives 2x2"),
    ([(8, 8, 4), (16, 4, 4)], r"block1 \(cell shallow\) gives 8x8 pixels but teacher stage 'first' gives 8x4"),
])
def test_a_stage_of_another_resolution_is_refused_with_all_of_them(toy_chain, teacher, message):
    table = '; '.join(f'{name}: {h}x{w}' for name, (_, h, w) in zip(('first', 'second'), teacher))
    with pytest.raises(TeacherError, match=f'{message}.*Stages: {table}$'):
        match_stages(toy_chain, OUTPUTS, ['first', 'second'], teacher)


@pytest.mark.parametrize('shape, message', [((6, 9, 9), 'gives 9x9'), ((6, 8), 'gives 8 pixels'), ((6,), 'gives no pixels')])
def test_every_cell_of_a_block_is_checked(toy_chain, shape, message):
    with pytest.raises(TeacherError, match=rf'block1 \(cell deep\) {message}'):
        match_stages(toy_chain, (((4, 8, 8), shape), ((8, 4, 4),)), ['a', 'b'], [(8, 8, 8), (16, 4, 4)])


def test_a_depth_that_changes_the_resolution_is_refused_since_a_stage_has_one():
    space = made(lambda: {'stem': conv(nni.choice('s', [1, 3])),
                          'a': Repeat(lambda index: choice(f'a{index}', stride=2), (1, 2), label='d')})
    chain = read(space)
    outputs = border_shapes(space, chain, (3, 16, 16)).outputs
    with pytest.raises(TeacherError, match=r'block2 \(cell d=2\) gives 4x4 pixels but teacher stage .b. gives 8x8'):
        match_stages(chain, outputs, ['a', 'b'], [(4, 16, 16), (4, 8, 8)])


def test_every_supernet_turns_its_stages_input_into_a_map_of_its_stages_shape():
    teacher = toys.staged_teacher()
    images = torch.randn(2, 3, 16, 16)
    maps = [images, *teacher(images)]
    supernets = toys.supernets(teacher)
    assert sorted(supernets) == [(0, 0), (0, 1), (1, 0)]
    for (block, _), supernet in supernets.items():
        path = [0] * (len(supernet.steps[0]) - 2)
        assert supernet(maps[block], 0, path).shape == maps[block + 1].shape


@pytest.mark.parametrize('make, teacher', [(short_mobilenet, 'resnet18'), (shuffle, 'mobilenet_v3_small')])
def test_every_cell_of_a_hub_space_gives_a_map_of_its_stages_shape(make, teacher):
    network = models.get_model(teacher, num_classes=3)
    space = on_meta(make)
    matching = match(space, network, (3, 64, 64), max_paths=1000)
    shapes = border_shapes(space, matching.chain, (3, 64, 64))
    match_stages(matching.chain, shapes.outputs, matching.stages, matching.teacher_shapes)
    images = torch.randn(1, 3, 64, 64)
    maps = [images, *StagedTeacher(network, matching.stages)(images)]
    for index, _, block, name in matching.chain.supernets():
        supernet = block_supernet(DNAMutator(), make(), matching.chain, index, name, shapes.inputs, shapes.outputs,
                                  matching.teacher_shapes)
        for number, cell in enumerate(block.cells):
            for path in (0, cell.paths - 1):
                with torch.no_grad():
                    assert supernet(maps[index], number, cell.digits(path)).shape == maps[index + 1].shape


def test_between_teacher_and_student_are_convolutions_of_one_pixel():
    supernets = toys.supernets(toys.staged_teacher(width=10))
    assert not list(supernets[0, 0].entry.children())  # the toy space has no stem
    projection, norm = supernets[1, 0].entry
    assert (projection.in_channels, projection.out_channels, projection.kernel_size) == (10, 6, (1, 1))
    assert isinstance(norm, nn.BatchNorm2d)
    for key, widths in {(0, 0): (4, 10), (0, 1): (6, 10), (1, 0): (8, 20)}.items():
        (exit,) = supernets[key].exits
        assert supernets[key].steps[0][-1] is exit
        assert (exit.in_channels, exit.out_channels, exit.kernel_size) == (*widths, (1, 1))


def test_a_supernet_has_an_exit_for_each_width_of_its_cells():
    def parts():
        out = nni.choice('w', [4, 6])
        return {'a': seq(Repeat(lambda index: choice(f'a{index}'), (1, 2), label='d'), conv(3, 3, out, 2)),
                'b': choice('b', out, 8, 2)}
    space = made(parts)
    chain = read(space, ends=['a', 'b'])
    shapes = border_shapes(space, chain, (3, 16, 16))
    teacher = [(10, 8, 8), (20, 4, 4)]
    supernet = block_supernet(DNAMutator(), Made(parts), chain, 0, 'only', shapes.inputs, shapes.outputs, teacher)
    assert [(exit.in_channels, exit.out_channels) for exit in supernet.exits] == [(4, 10), (6, 10)]
    assert [steps[-1].in_channels for steps in supernet.steps] == [cell.choice['w'] for cell in chain.blocks[0].cells]
    behind = block_supernet(DNAMutator(), Made(parts), chain, 1, 'only', shapes.inputs, shapes.outputs, teacher)
    assert (behind.entry[0].in_channels, behind.entry[0].out_channels) == (10, 6)


def test_supernets_of_one_block_have_the_exits_of_their_own_cells():
    def parts():
        return {'a': LayerChoice({'x': seq(choice('x', 3, 4, 2)), 'y': seq(choice('y', 3, 6, 2))}, label='cell')}
    space = made(parts)
    chain = read(space)
    shapes = border_shapes(space, chain, (3, 16, 16))
    for name, width in (('x', 4), ('y', 6)):
        supernet = block_supernet(DNAMutator(), Made(parts), chain, 0, name, shapes.inputs, shapes.outputs, [(10, 8, 8)])
        assert [exit.in_channels for exit in supernet.exits] == [width]


def test_behind_a_restricted_block_the_projection_has_the_width_of_its_last_cell():
    restriction = {'cell': {'_type': 'choice', '_value': ['shallow']}}
    supernets = toys.supernets(toys.staged_teacher(), restriction)
    assert sorted(supernets) == [(0, 0), (1, 0)]
    assert supernets[1, 0].entry[0].out_channels == 4
    assert supernets[1, 0](torch.randn(2, 8, 8, 8), 0, (1, 1)).shape == (2, 16, 4, 4)


def test_the_first_block_gets_a_stem_of_its_own():
    torch.manual_seed(0)
    space = build_space('digits', {}, num_classes=10)
    on_paper = on_meta(lambda: build_space('digits', {}, num_classes=10))
    chain = read(on_paper, 32)
    assert chain.stem == ('stem',)
    shapes = border_shapes(on_paper, chain, (3, 32, 32))
    teacher = [(20, 8, 8), (40, 4, 4), (80, 2, 2)]
    name = chain.blocks[0].supernets[1]
    supernet = block_supernet(DNAMutator(), space, chain, 0, name, shapes.inputs, shapes.outputs, teacher)
    stem = supernet.entry
    assert stem is not space.stem
    assert all(torch.equal(a, b) for a, b in zip(stem.state_dict().values(), space.stem.state_dict().values()))
    output = supernet(torch.randn(2, 3, 32, 32), 0, (3, 4))
    assert output.shape == (2, 20, 8, 8)
    output.sum().backward()
    assert all(weight.grad is not None for weight in stem.parameters())
    assert all(weight.grad is None for weight in space.parameters())


def test_a_stem_of_several_modules_runs_them_one_after_another():
    def parts():
        return {'one': conv(3, stride=2), 'norm': nn.BatchNorm2d(3), 'act': nn.ReLU(), 'a': choice('a', stride=2)}
    space = made(parts)
    chain = read(space)
    assert chain.stem == ('one', 'norm', 'act')
    shapes = border_shapes(space, chain, (3, 16, 16))
    weighted = Made(parts)
    supernet = block_supernet(DNAMutator(), weighted, chain, 0, 'only', shapes.inputs, shapes.outputs, [(5, 4, 4)]).eval()
    weighted.eval()
    x = torch.randn(2, 3, 16, 16)
    assert torch.equal(supernet.entry(x), weighted.act(weighted.norm(weighted.one(x))))


# A space and a teacher

def test_a_space_is_matched_with_the_stages_that_are_found_in_a_teacher():
    matching = match(on_meta(toys.Space), toys.Teacher(), (3, 16, 16))
    assert matching.stages == ('stage1', 'stage2')
    assert matching.teacher_shapes == ((8, 8, 8), (16, 4, 4))
    assert matching.chain == toys.read_chain()


def test_a_space_is_matched_with_the_stages_that_the_user_names():
    space = on_meta(toys.Space)
    with pytest.raises(TeacherError, match="no stage gives what module 'blocks.1.1' of the space gives"):
        match(space, toys.Teacher(), (3, 16, 16), stages=['stage1'])
    assert len(match(space, toys.Teacher(), (3, 16, 16), stages=['stage2']).chain.blocks) == 1


def test_images_of_two_sides_are_matched_on_both():
    matching = match(on_meta(toys.Space), toys.Teacher(), (3, 16, 32))
    assert matching.teacher_shapes == ((8, 8, 16), (16, 4, 8))


def test_a_teacher_that_cannot_run_on_such_images_is_refused():
    with pytest.raises(TeacherError, match=r'Linear cannot run on images of shape \(3, 8, 8\): RuntimeError.*another teacher'):
        match(on_meta(toys.Space), nn.Linear(5, 5), (3, 8, 8))


def test_a_space_that_cannot_run_on_such_images_is_refused():
    space = made(lambda: {'a': choice('a', stride=2), 'flat': nn.Flatten(), 'fc': nn.Linear(3 * 64, 2)})
    assert match(space, toys.Teacher(), (3, 16, 16)).stages == ('stage1',)
    with pytest.raises(SpaceError, match=r'the model space cannot run on images of shape \(3, 32, 32\): RuntimeError'):
        match(space, toys.Teacher(), (3, 32, 32))
