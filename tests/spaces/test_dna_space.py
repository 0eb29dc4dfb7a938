"""The paper's space and its small sibling."""

import itertools

import pytest
import torch

from made import on_meta, read
from nni_dna.errors import SpaceError
from nni_dna.spaces import DNASpace, build_space
from nni_dna.spaces.freezing import freeze

OPERATIONS = [f'k{kernel}e{expansion}' for kernel, expansion in itertools.product((3, 5, 7), (3, 6))]


@pytest.fixture(scope='module')
def paper():
    return on_meta(lambda: build_space('dna', {}, num_classes=1000))


@pytest.fixture(scope='module')
def paper_chain(paper):
    return read(paper, 64)


def digits():
    return build_space('digits', {}, num_classes=10)


def test_the_paper_space_has_the_paths_and_architectures_of_the_papers_table(paper_chain):
    chain = paper_chain
    assert [block.paths for block in chain.blocks] == [288, 1548, 1548, 2808, 16848, 6]
    assert chain.architectures == 195898498887057408
    assert [[cell.name for cell in block.cells] for block in chain.blocks] == [
        ['2x24', '3x24', '2x32'], ['2x40', '3x40', '4x40'], ['2x80', '3x80', '4x80'], ['3x112', '4x112', '4x96'],
        ['4x192', '5x192', '5x160'], ['only']]
    assert [block.supernets for block in chain.blocks] == [tuple(cell.name for cell in block.cells) for block in chain.blocks]


def test_the_paper_space_says_itself_where_its_blocks_end(paper_chain):
    assert [block.modules[-1].split('.')[1] for block in paper_chain.blocks] == list('012345')
    assert [name.split('.')[0] for name in paper_chain.stem] == ['stem'] * len(paper_chain.stem)


def test_every_layer_of_the_paper_space_chooses_among_three_kernels_and_two_expansions(paper_chain):
    for _, _, block, cell in paper_chain.cells():
        for number, layer in enumerate(cell.layers, start=1):
            assert len(layer.options) == 6
            label = f'{block.name}/{cell.name if cell.choice else "1x320"}/layer{number}'
            assert [dict(option) for option in layer.options] == [{label: operation} for operation in OPERATIONS]


def test_the_digits_space_has_438048_architectures():
    assert read(on_meta(digits), 32).architectures == 438048 == 72 * 78 * 78


def test_a_frozen_architecture_of_the_paper_space_maps_images_to_classes(paper, paper_chain):
    with torch.device('meta'):
        network = freeze(paper, paper_chain.architecture((100, 1000, 3, 2000, 10000, 5)))
        maps = []
        network.blocks.register_forward_hook(lambda module, inputs, output: maps.append((inputs[0], output)))
        assert network(torch.zeros(2, 3, 64, 64)).shape == (2, 1000)
    assert maps[0][0].shape == (2, 16, 32, 32)  # the stem halves the resolution
    assert maps[0][1].shape == (2, 320, 2, 2)  # and the blocks' strides 2, 2, 2, 1, 2, 1 quarter it twice


def test_a_frozen_architecture_of_the_digits_space_learns_from_its_gradients():
    chain = read(on_meta(digits), 32)
    network = freeze(digits(), chain.architecture((40, 70, 30)))
    images = torch.rand(2, 3, 32, 32, generator=torch.Generator().manual_seed(0))
    loss = network(images).square().sum()
    loss.backward()
    assert loss.isfinite()
    assert all(parameter.grad is not None for parameter in network.parameters())


@pytest.mark.parametrize('number, kernel, expansion', [
    (0, 3, 3), (1, 3, 6), (2, 5, 3), (3, 5, 6), (4, 7, 3), (5, 7, 6)])
def test_an_operation_is_the_inverted_residual_that_its_name_says(number, kernel, expansion):
    def make():
        return DNASpace(blocks=[{'stride': 2, 'cells': ['2x24']}], first_width=0, stem_width=16)
    network = freeze(make(), read(on_meta(make)).architecture((number * 7,)))  # the same operation in both layers
    first, second = network.blocks[0]
    for layer, width, stride in ((first, 16, 2), (second, 24, 1)):
        convolutions = [module for module in layer.modules() if isinstance(module, torch.nn.Conv2d)]
        hidden = width * expansion
        assert [(c.in_channels, c.out_channels, c.kernel_size[0], c.stride[0], c.groups) for c in convolutions] == [
            (width, hidden, 1, 1, 1), (hidden, hidden, kernel, stride, hidden), (hidden, width // 4, 1, 1, 1),
            (width // 4, hidden, 1, 1, 1), (hidden, 24, 1, 1, 1)]
    x = torch.rand(1, 24, 8, 8)
    second.eval()
    for parameter in second.project.parameters():
        torch.nn.init.zeros_(parameter)
    assert torch.equal(second(x), x)  # what is left is the residual


def test_a_block_of_several_widths_sets_the_input_of_the_next():
    def make():
        return DNASpace(blocks=[{'stride': 1, 'cells': ['1x8', '1x16']}, {'stride': 1, 'cells': ['1x8', '2x16']}],
                        stem_width=8, first_width=0, head_width=12, num_classes=3, stem_stride=1)
    space, chain = make(), read(on_meta(make), 8)
    assert chain.blocks[0].borders == ({'block1/cell': '1x8'}, {'block1/cell': '1x16'})
    for first, second in itertools.product(range(2), range(2)):
        paths = (6 * first, 6 * second)
        network = freeze(space, chain.architecture(paths))
        assert network.blocks[1][0].project[0].out_channels == (8, 16)[second]
        assert network.blocks[1][0].depthwise[0].in_channels == (8, 16)[first] * 3
        assert network(torch.zeros(2, 3, 8, 8)).shape == (2, 3)


@pytest.mark.parametrize('block, message', [
    ({'stride': 2}, "block1: expected a mapping with 'stride' and a non-empty list of 'cells'"),
    ({'cells': ['2x24']}, "block1: expected a mapping with 'stride'"),
    ({'stride': 2, 'cells': []}, 'block1: expected a mapping'),
    ({'stride': 2, 'cells': None}, 'block1: expected a mapping'),
    ({'stride': 2, 'cells': ['2x24'], 'kernel': 3}, 'block1: expected a mapping'),
    ({'stride': 2, 'cells': ['24']}, "block1: expected a cell written LAYERSxWIDTH, such as 3x24, got '24'"),
    ({'stride': 2, 'cells': ['2x24', '0x24']}, "got '0x24'"),
    ({'stride': 2, 'cells': ['2x0']}, "got '2x0'"),
    ({'stride': 2, 'cells': ['2X24']}, "got '2X24'"),
    ({'stride': 2, 'cells': ['2x24 ']}, "got '2x24 '"),
    ({'stride': 2, 'cells': [24]}, 'got 24'),
    ({'stride': 2, 'cells': '2x24'}, 'block1: expected'),
    ('2x24', 'block1: expected a mapping'),
    ({'stride': 'two', 'cells': ['2x24']}, "block1: .*stride.*'two'"),
    ({'stride': 0, 'cells': ['2x24']}, 'block1: .*stride.*0'),
    ({'stride': 2, 'cells': ['2x24', '2x24']}, 'block1: .*2x24.*twice'),
])
def test_a_wrong_table_of_cells_is_a_space_error_that_names_the_block(block, message):
    with pytest.raises(SpaceError, match=message):
        DNASpace(blocks=[block])
