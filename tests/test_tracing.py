"""What one forward pass shows: which modules ran, in which order, and whether anything happened between them."""

import pytest
import torch
from torch import nn
from torch.nn import functional
from torchvision import models

from nni_dna.tracing import run_of, trace


class Network(nn.Module):
    """Three convolutions, and a forward pass of one's own."""

    def __init__(self, run):
        super().__init__()
        self.a, self.b, self.c = (nn.Conv2d(3, 3, 3, padding=1) for _ in range(3))
        self.relu = nn.ReLU(inplace=True)
        self.run = run

    def forward(self, x):
        return self.run(self, x)


IMAGES = torch.zeros(1, 3, 4, 4)


def names(passages):
    return [passage.name for passage in passages]


def outer_run(network, images=IMAGES):
    return run_of(trace(network, images))


@pytest.mark.parametrize('run, found, whole', [
    (lambda n, x: n.c(n.b(n.a(x))), 'abc', True),
    (lambda n, x: n.a(n.c(x)), 'ca', True),
    (lambda n, x: n.c(n.b(n.a(x)) * 2), 'ab', False),
    (lambda n, x: n.c(functional.relu(n.b(n.a(x)))), 'ab', False),
    (lambda n, x: n.c(n.b(n.a(x)).relu_()), 'ab', False),
    (lambda n, x: n.b(n.a(x * 2)), '', False),
    (lambda n, x: n.b(n.a(x.mul_(2))), '', False),
    (lambda n, x: n.b(n.a(x)).mean((2, 3)), 'ab', False),
    (lambda n, x: n.b(n.a(x)).mul_(2), 'ab', False),
    (lambda n, x: n.b(n.a(x)) + x, 'ab', False),
    (lambda n, x: n.c(n.a(x) + n.b(x)), 'a', False),
    (lambda n, x: x, '', False),
    (lambda n, x: (n.a(x), n.b(x))[0], 'a', False),
    (lambda n, x: n.b(n.a(x), *()), 'ab', True),
    (lambda n, x: n.c(n.b(input=n.a(x))), 'abc', True),
], ids=['one after another', 'not in the order of the modules', 'something functional between', 'a function between',
        'a change in place between', 'something before', 'a change in place before', 'something behind',
        'a change in place behind', 'residual', 'two branches', 'nothing', 'a module whose output is dropped',
        'no further arguments', 'an argument by name'])
def test_a_run_goes_as_far_as_each_module_takes_what_the_one_before_gave(run, found, whole):
    seen = outer_run(Network(run))
    assert ''.join(names(seen.passages)) == found
    assert seen.whole == whole


class TakesTwo(nn.Module):
    def forward(self, x, more=None):
        return x if more is None else x + more


@pytest.mark.parametrize('run, found', [
    (lambda n, x: n.two(n.a(x)), ['a', 'two']),
    (lambda n, x: n.two(n.a(x), x), ['a']),
    (lambda n, x: n.two(n.a(x), more=x), ['a']),
    (lambda n, x: n.a(n.two(x, x)), []),
])
def test_a_module_that_takes_a_second_argument_ends_the_run(run, found):
    network = Network(run)
    network.two = TakesTwo()
    seen = outer_run(network)
    assert names(seen.passages) == found
    assert seen.whole == (len(found) == 2)


def test_a_module_that_works_in_place_belongs_to_the_run_and_its_predecessors_output_is_changed():
    seen = outer_run(Network(lambda n, x: n.b(n.relu(n.a(x)))))
    assert names(seen.passages) == ['a', 'relu', 'b'] and seen.whole
    assert [passage.unchanged for passage in seen.passages] == [False, True, True]


def test_an_output_that_is_changed_in_place_long_after_is_changed():
    def late(n, x):
        first = n.a(x)
        second = n.b(first)
        first.add_(1)
        return second
    assert [passage.unchanged for passage in outer_run(Network(late)).passages] == [False, True]


def test_a_module_that_runs_twice_is_two_calls_of_one_name():
    seen = outer_run(Network(lambda n, x: n.a(n.b(n.a(x)))))
    assert names(seen.passages) == ['a', 'b', 'a']
    assert seen.passages[0].module is seen.passages[2].module
    assert seen.passages[0].output is not seen.passages[2].output


def test_the_calls_within_a_call_are_kept_with_their_full_names():
    network = nn.Sequential(nn.Sequential(nn.Conv2d(3, 3, 1), nn.ReLU()), nn.Conv2d(3, 4, 1, stride=2))
    root = trace(network, IMAGES)
    assert root.name == '' and root.module is network
    assert names(root.inner) == ['0', '1']
    assert names(root.inner[0].inner) == ['0.0', '0.1']
    assert root.inner[1].inner == []


def test_a_call_knows_the_shape_of_its_map_and_whether_it_is_one():
    network = Network(lambda n, x: (n.a(x)[:, :, :2], n.flat(x), n.pair(x))[1])
    network.flat, network.pair = nn.Flatten(), nn.Module()
    network.pair.forward = lambda x: (x, x)
    a, flat, pair = trace(network, IMAGES).inner
    assert (a.is_map, a.shape) == (True, (3, 4, 4))
    assert (flat.is_map, flat.shape) == (False, (48,))
    assert not pair.is_map


@pytest.mark.parametrize('name', ['resnet18', 'efficientnet_b0', 'mobilenet_v3_small'])
def test_the_calls_of_a_known_network_are_those_of_its_hooks(name):
    network = models.get_model(name, num_classes=3)
    modules = {module: module_name for module_name, module in network.named_modules()}
    expected = []
    handles = [module.register_forward_pre_hook(lambda module, inputs: expected.append(modules[module])) for module in modules]
    with torch.no_grad():
        network.eval()(torch.zeros(1, 3, 32, 32))
    for handle in handles:
        handle.remove()

    def flat(passage):
        return [passage.name, *(inner for call in passage.inner for inner in flat(call))]
    assert flat(trace(network, torch.zeros(1, 3, 32, 32))) == expected


def test_on_the_meta_device_the_calls_are_the_same():
    for run in (lambda n, x: n.c(n.relu(n.b(n.a(x)))), lambda n, x: n.c(n.b(n.a(x)).relu_()), lambda n, x: n.b(n.a(x)) + x):
        with torch.device('meta'):
            on_meta = Network(run)
            seen = outer_run(on_meta, torch.zeros(1, 3, 4, 4))
        expected = outer_run(Network(run))
        assert names(seen.passages) == names(expected.passages) and seen.whole == expected.whole
        assert [p.unchanged for p in seen.passages] == [p.unchanged for p in expected.passages]


def test_the_network_runs_in_evaluation_mode_without_gradients_and_is_left_as_it_was():
    network = nn.Sequential(nn.Conv2d(3, 3, 1), nn.BatchNorm2d(3), nn.Dropout())
    network.train()
    network[1].eval()
    before = {name: tensor.clone() for name, tensor in network.state_dict().items()}
    root = trace(network, torch.ones(2, 3, 4, 4))
    assert not root.output.requires_grad
    assert all(torch.equal(tensor, before[name]) for name, tensor in network.state_dict().items())
    assert [module.training for module in network] == [True, False, True] and network.training
    assert not any(module._forward_hooks or module._forward_pre_hooks for module in network.modules())


def test_hooks_are_gone_and_the_mode_is_back_after_a_pass_that_fails():
    network = nn.Sequential(nn.Conv2d(3, 3, 1), nn.Conv2d(5, 3, 1)).train()
    with pytest.raises(RuntimeError):
        trace(network, IMAGES)
    assert all(module.training for module in network.modules())
    assert not any(module._forward_hooks or module._forward_pre_hooks for module in network.modules())
