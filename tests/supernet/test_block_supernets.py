"""A supernet's borders, its gradients, and what it leaves alone."""

import copy
import itertools

import nni
import pytest
import torch
from torch import nn
from nni.nas.nn.pytorch import LayerChoice
from nni.nas.oneshot.pytorch.supermodule.base import BaseSuperNetModule

import toys
from made import Made, choice, conv, listed, seq, width
from plain_paths import DIGITS_SUPERNETS, Case, depth_and_width


def test_entry_and_exit_run_around_the_layers(toy):
    entry, exit = nn.Conv2d(5, 6, 1), nn.Conv2d(8, 7, 1)
    supernet = toy.supernet(1, entry=entry, exits=[exit])
    plain = toy.plain(supernet, 1, toy.chain.blocks[1].cells[0], 2)
    x = torch.randn(2, 5, 8, 8)
    assert torch.equal(supernet(x, 0, (1, 0)), exit(plain(entry(x))))
    assert supernet.steps[0][0] is entry and supernet.steps[0][-1] is exit


def test_each_cell_has_the_exit_of_its_width():
    case = Case(lambda: Made(depth_and_width))
    exits = [nn.Conv2d(4, 7, 1), nn.Conv2d(6, 7, 1)]
    cells = case.chain.blocks[0].cells
    number = [(4, 6).index(cell.choice['w']) for cell in cells]
    supernet = case.supernet(0, exits=exits, exit_of=number)
    bare = case.supernet(0)
    bare.layers.load_state_dict(supernet.layers.state_dict())
    x = case.input(0)
    for index in range(len(cells)):
        path = [0] * (len(supernet.steps[index]) - 2)
        assert torch.allclose(supernet(x, index, path), exits[number[index]](bare(x, index, path)), atol=1e-6)


@pytest.mark.parametrize('path', list(itertools.product(range(2), range(2))))
def test_only_the_weights_of_the_chosen_path_get_gradients(toy, path):
    supernet = toy.supernet(1, entry=nn.Conv2d(5, 6, 1), exits=[nn.Conv2d(8, 7, 1)])
    supernet(torch.randn(2, 5, 8, 8), 0, path).square().sum().backward()
    candidates = [f'layers.{layer}.k{(1, 3)[option]}.' for layer, option in enumerate(path)]
    expected = {name for name, _ in supernet.named_parameters()
                if name.startswith(('entry.', 'exits.', *candidates))}
    assert {name for name, weight in supernet.named_parameters() if weight.grad is not None} == expected
    assert 0 < len(expected) < len(list(supernet.parameters()))


def test_only_the_channels_and_the_kernel_of_the_chosen_path_get_gradients():
    case = Case(lambda: Made(widths_and_kernel))
    supernet = case.supernet(0)
    cells = case.chain.blocks[0].cells
    assert [dict(cell.choice) for cell in cells] == [{'w': 4}, {'w': 8}]
    supernet(case.input(0), 0, (0, 0)).square().sum().backward()
    first, second = (step.weight.grad for step in supernet.steps[0][1:3])
    assert (first[:4] != 0).all() and (first[4:] == 0).all()
    assert (second[:, :4, 1, 1] != 0).all() and second.count_nonzero() == second[:, :4, 1, 1].numel()


def widths_and_kernel():
    inner = nni.choice('w', [4, 8])
    return {'a': conv(3, 3, inner), 'b': conv(nni.choice('k', [1, 3]), inner, 5)}


def test_all_weights_of_a_supernet_belong_to_some_path(digits):
    supernet = digits.supernet(2, '2x24')
    for option in range(6):
        supernet(digits.input(2), 0, (option, option)).square().sum().backward()
    assert all(weight.grad is not None for weight in supernet.parameters())


@pytest.mark.parametrize('block, name', DIGITS_SUPERNETS)
def test_the_model_space_is_not_changed(digits, block, name):
    space = digits.space
    text, weights = repr(space), {key: tensor.clone() for key, tensor in space.state_dict().items()}
    supernet = digits.supernet(block, name)
    with torch.no_grad():
        for weight in supernet.parameters():
            weight.fill_(3)
    assert repr(space) == text
    assert space.state_dict().keys() == weights.keys()
    assert all(torch.equal(tensor, weights[key]) for key, tensor in space.state_dict().items())
    assert not any(isinstance(module, BaseSuperNetModule) for module in space.modules())


def test_two_supernets_of_one_space_share_no_weights(toy):
    first, second = toy.supernet(0, 'deep'), toy.supernet(0, 'deep')
    assert not {id(weight) for weight in first.parameters()} & {id(weight) for weight in second.parameters()}


def test_the_input_is_left_as_it_was():
    case = Case(lambda: Made(lambda: {'a': LayerChoice({'x': nn.ReLU(inplace=True), 'y': nn.Hardswish(inplace=True)}, label='a'),
                                      'b': choice('b')}))
    x = case.input(0)
    before = x.clone()
    case.supernet(0)(x, 0, (0, 0))
    assert torch.equal(x, before)


def test_the_first_layer_has_the_width_of_the_last_cell_before(toy):
    supernet = toy.supernet(1)
    assert {part.in_channels for part in supernet.steps[0][1].modules() if isinstance(part, nn.Conv2d)} == {6}
    narrow = Case(toys.Space, definition=listed(cell=['shallow'])).supernet(1)
    assert {part.in_channels for part in narrow.steps[0][1].modules() if isinstance(part, nn.Conv2d)} == {4}


def test_a_layer_with_a_choice_of_its_own_beside_the_border_width_takes_that_width():
    def parts():
        return {'a': LayerChoice({'x': seq(choice('ax', 3, 4)), 'y': seq(choice('ay', 3, 6))}, label='cell'),
                'b': conv(nni.choice('k', [1, 3]), width('cell', {'x': 4, 'y': 6}), 8, 2)}
    case = Case(lambda: Made(parts))
    supernet, x = case.supernet(1), case.input(1)
    assert x.shape[1] == 6
    for _ in range(10):
        assert [supernet(x, 0, (option,)).shape[1] for option in range(2)] == [8, 8]
    assert torch.equal(supernet(x, 0, (0,)), supernet(x, 0, (0,)))


def test_modules_without_an_open_choice_become_plain_modules():
    case = Case(lambda: Made(depth_and_width), definition=listed(w=[4], out=[8], kb=[3]))
    for block in (0, 1):
        mixed = [part for part in case.supernet(block).modules() if isinstance(part, BaseSuperNetModule)]
        open_labels = [part.simplify().keys() - {'w', 'out', 'kb'} for part in mixed]
        assert all(open_labels)
        assert set().union(*open_labels) == ({'s', 'a0', 'a1', 'a2'}, {'b', 'c0', 'c1'})[block]


@pytest.mark.parametrize('path', [(), (0,), (0, 0, 0)])
def test_a_path_takes_one_option_per_layer(toy, path):
    with pytest.raises(ValueError, match=f'one option for each of 2 layers, got {len(path)}'):
        toy.supernet(1)(toy.input(1), 0, path)


def test_a_copy_of_a_supernet_is_one_of_its_own(toy):
    supernet = toy.supernet(0, 'deep')
    other = copy.deepcopy(supernet)
    x = toy.input(0)
    expected = supernet(x, 0, (0, 1)).detach()
    with torch.no_grad():
        for weight in other.parameters():
            weight.zero_()
    other(x, 0, (1, 0))
    assert torch.equal(supernet(x, 0, (0, 1)), expected)
