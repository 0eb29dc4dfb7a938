"""Peak activation memory of parts: closed forms, and what makes two parts the same."""

import pytest
import torch
from torch import nn
from torch.nn import functional as F
from torchvision import models

from nni_dna.cost.operations import trace_operations
from plain_counts import plain_memory

MAP = 4 * 6 * 5 * 5  # bytes of 6 channels on 5x5 pixels


class Residual(nn.Module):
    def __init__(self, inplace):
        super().__init__()
        self.first, self.second = nn.Conv2d(6, 6, 1), nn.Conv2d(6, 6, 1)
        self.inplace = inplace

    def forward(self, x):
        y = self.second(F.relu(self.first(x), inplace=self.inplace))
        return y.add_(x) if self.inplace else x + y


def traced(make, shape=(6, 5, 5)):
    with torch.device('meta'):
        return trace_operations(make(), shape)


@pytest.mark.parametrize('make, peak', [
    (lambda: nn.Conv2d(6, 6, 1), 2 * MAP),
    (lambda: nn.Conv2d(6, 12, 1), 3 * MAP),
    (lambda: nn.Sequential(nn.Conv2d(6, 12, 1), nn.ReLU(inplace=True), nn.Conv2d(12, 6, 1)), 3 * MAP),
    (lambda: nn.Sequential(nn.Conv2d(6, 12, 1), nn.ReLU(), nn.Conv2d(12, 6, 1)), 4 * MAP),
    (lambda: nn.BatchNorm2d(6), 2 * MAP),
    (lambda: Residual(inplace=False), 3 * MAP),
    (lambda: Residual(inplace=True), 3 * MAP),
    (lambda: nn.Sequential(Residual(inplace=True), Residual(inplace=True)), 3 * MAP),
    (lambda: nn.ReLU(inplace=True), MAP),
    (lambda: nn.Dropout(0.5), 0),
    (lambda: nn.Identity(), 0),
    (lambda: nn.Flatten(), MAP),
    (lambda: nn.Sequential(nn.Flatten(), nn.Linear(150, 2)), MAP + 8),
    (lambda: nn.AdaptiveAvgPool2d(1), MAP + 4 * 6),
], ids=['conv', 'wider', 'in place', 'not in place', 'batch norm', 'residual: input, inner and output', 'residual in place',
        'one after another', 'activation in place', 'dropout does nothing', 'identity', 'a view', 'linear', 'pooling'])
def test_what_is_alive_at_once_is_what_the_closed_form_says(make, peak):
    assert traced(make).peak == peak


@pytest.mark.parametrize('name', ['resnet18', 'mobilenet_v2', 'shufflenet_v2_x0_5', 'squeezenet1_0'])
def test_the_peak_of_a_known_network_is_that_of_torch_fx(name):
    with torch.device('meta'):
        network = models.get_model(name)
    assert trace_operations(network, (3, 64, 64)).peak == plain_memory(network, (3, 64, 64)) > 0


def test_a_residual_input_stays_alive_across_the_layers_between():
    # resnet18 at 224 pixels: in layer1 the input, what relu changed in place and the output of a convolution, 64x56x56 each;
    # less than the input and the output of the first BatchNorm, 64x112x112 each
    with torch.device('meta'):
        network = models.resnet18()
        assert trace_operations(network, (3, 224, 224)).peak == 2 * 4 * 64 * 112 ** 2
        assert trace_operations(network.layer1, (64, 56, 56)).peak == 3 * 4 * 64 * 56 ** 2


def test_parts_that_do_the_same_have_one_key_and_others_do_not():
    def conv(**options):
        return traced(lambda: nn.Conv2d(6, 6, 3, **{'padding': 1, **options})).key
    assert conv() == conv()
    assert len({conv(), conv(stride=2), conv(dilation=2), conv(groups=6), conv(bias=False), conv(padding=0)}) == 6
    assert conv() != traced(lambda: nn.Conv2d(6, 6, 3, padding=1), (6, 7, 7)).key
    # the same operations on the same shapes, but of other results
    assert traced(lambda: Sum(False)).key != traced(lambda: Sum(True)).key


class Sum(nn.Module):
    def __init__(self, of_input):
        super().__init__()
        self.of_input = of_input

    def forward(self, x):
        y = torch.relu(x)
        return y + x if self.of_input else y + y


def test_watching_leaves_the_module_as_it_was():
    with torch.device('meta'):
        network = nn.Sequential(nn.Conv2d(6, 4, 1), nn.BatchNorm2d(4), nn.Dropout()).train()
    assert trace_operations(network, (6, 2, 2)).output == (4, 2, 2)
    assert network.training and network[1].training and network[1].num_batches_tracked.device.type == 'meta'
