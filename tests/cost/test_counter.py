"""Multiply-adds and parameters of plain networks: closed forms, torchvision's published figures, NNI's profiler."""

import pytest
import torch
from torch import nn
from torchvision import models
from nni.nas.profiler.pytorch.flops import FlopsProfiler, NumParamsProfiler

import toys
from nni_dna.cost import Cost, count
from nni_dna.spaces.freezing import freeze


@pytest.mark.parametrize('layer, shape, params, madds, output', [
    (lambda: nn.Conv2d(3, 8, 3, 2, 1), (3, 9, 9), 3 * 8 * 9 + 8, 25 * 8 * 3 * 9, (8, 5, 5)),
    (lambda: nn.Conv2d(3, 8, 3, bias=False), (3, 9, 7), 3 * 8 * 9, 7 * 5 * 8 * 3 * 9, (8, 7, 5)),
    (lambda: nn.Conv2d(8, 8, 5, padding=2, groups=8), (8, 4, 4), 8 * 25 + 8, 16 * 8 * 25, (8, 4, 4)),
    (lambda: nn.Conv2d(8, 12, (1, 3), groups=4), (8, 4, 4), 12 * 2 * 3 + 12, 4 * 2 * 12 * 2 * 3, (12, 4, 2)),
    (lambda: nn.Conv2d(4, 4, 3, padding=2, dilation=2), (4, 6, 6), 4 * 4 * 9 + 4, 36 * 4 * 4 * 9, (4, 6, 6)),
    (lambda: nn.Conv1d(2, 6, 3), (2, 10), 2 * 6 * 3 + 6, 8 * 6 * 2 * 3, (6, 8)),
    (lambda: nn.Linear(10, 4), (10,), 44, 40, (4,)),
    (lambda: nn.Linear(10, 4, bias=False), (7, 10), 40, 7 * 40, (7, 4)),
    (lambda: nn.BatchNorm2d(6), (6, 3, 3), 12, 0, (6, 3, 3)),
    (lambda: nn.BatchNorm2d(6, affine=False), (6, 3, 3), 0, 0, (6, 3, 3)),
    (lambda: nn.Sequential(nn.ReLU(), nn.Dropout(), nn.AdaptiveAvgPool2d(1)), (6, 3, 3), 0, 0, (6, 1, 1)),
    (lambda: nn.ConvTranspose2d(3, 5, 2, 2), (3, 4, 4), 3 * 5 * 4 + 5, 16 * 3 * 5 * 4, (5, 8, 8)),
], ids=['conv', 'conv without bias', 'depthwise', 'grouped', 'dilated', 'conv1d', 'linear', 'linear on tokens',
        'batch norm', 'batch norm without weights', 'no weights', 'transposed conv'])
def test_a_layer_costs_what_its_closed_form_says(layer, shape, params, madds, output):
    with torch.device('meta'):
        assert count(layer(), shape) == (Cost(params, madds), output)


def test_a_module_that_runs_twice_counts_twice_in_multiply_adds_and_once_in_parameters():
    with torch.device('meta'):
        conv = nn.Conv2d(4, 4, 1, bias=False)
        assert count(nn.Sequential(conv, conv), (4, 2, 2))[0] == Cost(16, 2 * 4 * 16)


@pytest.mark.parametrize('name, weights', [
    ('resnet18', models.ResNet18_Weights.IMAGENET1K_V1), ('resnet50', models.ResNet50_Weights.IMAGENET1K_V1),
    ('mobilenet_v2', models.MobileNet_V2_Weights.IMAGENET1K_V1),
    ('mnasnet1_0', models.MNASNet1_0_Weights.IMAGENET1K_V1),
    ('efficientnet_b0', models.EfficientNet_B0_Weights.IMAGENET1K_V1),
    ('shufflenet_v2_x1_0', models.ShuffleNet_V2_X1_0_Weights.IMAGENET1K_V1)])
def test_known_networks_cost_what_torchvision_publishes(name, weights):
    with torch.device('meta'):
        cost, output = count(models.get_model(name), (3, 224, 224))
    assert cost.params == weights.meta['num_params']
    assert round(cost.madds / 1e9, 3) == weights.meta['_ops']
    assert output == (1000,)


def test_every_architecture_of_the_toy_space_costs_what_nnis_profiler_says():
    space = toys.Space()
    image = torch.zeros(1, 3, 16, 16)
    flops = FlopsProfiler(space, image, count_bias=False, count_normalization=False, count_activation=False)
    params = NumParamsProfiler(space, image)
    chain = toys.read_chain()
    rest = {label: mutable.values[0] for label, mutable in space.simplify().items()}  # NNI wants unused labels too
    with torch.device('meta'):
        on_meta = toys.Space()
        for paths in [(first, second) for first in range(6) for second in range(4)]:
            sample = chain.architecture(paths)
            cost, _ = count(freeze(on_meta, sample), (3, 16, 16))
            assert cost == Cost(params.profile({**rest, **sample}), flops.profile({**rest, **sample}))


def test_counting_leaves_the_network_as_it_was():
    with torch.device('meta'):
        network = nn.Sequential(nn.Conv2d(3, 4, 1), nn.BatchNorm2d(4))
    network.train()
    count(network, (3, 1, 1))
    assert network.training and network[1].training
    assert not network[0]._forward_hooks
    count(network.eval(), (3, 1, 1))
    assert not network.training


def test_hooks_are_gone_after_a_network_that_cannot_run():
    with torch.device('meta'):
        network = nn.Sequential(nn.Conv2d(3, 4, 1), nn.Conv2d(5, 4, 1)).train()
        with pytest.raises(RuntimeError):
            count(network, (3, 4, 4))
    assert network.training
    assert not any(layer._forward_hooks for layer in network)


def test_costs_add_and_subtract_each_on_its_own():
    assert Cost(5, 70) + Cost(2, 30) == Cost(7, 100)
    assert Cost(5, 70) - Cost(2, 30) == Cost(3, 40)
