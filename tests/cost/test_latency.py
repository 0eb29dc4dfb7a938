"""Measuring parts: each of another kind once a round, with harmless weights; and what is kept of it."""

import json

import pytest
import toys
import torch
from torch import nn

from made import on_meta, read
from nni_dna.cost import latency
from nni_dna.cost.latency import Conditions, Latencies, check_device, measure, median_ms, with_weights
from nni_dna.cost.operations import trace_operations
from nni_dna.cost.parts import NetworkParts
from nni_dna.errors import SettingsError, SpaceError

CPU = Conditions(device='cpu', batch_size=2, threads=1)


@pytest.fixture(autouse=True)
def short(monkeypatch):
    monkeypatch.setattr(latency, 'SECONDS', 0.001)


@pytest.fixture(scope='module')
def parts():
    space = on_meta(toys.Space)
    return NetworkParts(space, read(space), (3, 16, 16)).traces()


def test_every_kind_of_part_is_measured_once_a_round_and_the_median_counts(parts, monkeypatch):
    calls = []

    def made_up(network, shape, *options):
        calls.append(tuple(shape))
        return float(len(calls))
    monkeypatch.setattr(latency, 'median_ms', made_up)
    found = measure(parts.values(), CPU, rounds=3)
    assert calls == [trace.shape for trace in parts.values()] * 3
    assert [found.parts[key]['ms'] for key in parts] == [len(parts) + 1 + index for index in range(len(parts))]
    assert found.conditions == CPU and found.machine['torch'] == torch.__version__ and found.machine['name']


def test_real_parts_take_time_and_longer_ones_more(parts):
    found = measure(parts.values(), CPU, rounds=1)
    assert all(found.milliseconds(part) > 0 for part in parts.values()) and not found.missing(parts)
    with torch.device('meta'):
        small, large = (trace_operations(nn.Conv2d(channels, channels, 3), (channels, 16, 16)) for channels in (1, 256))
    found = measure([small, large], CPU)
    assert found.milliseconds(small) < found.milliseconds(large)


def test_the_batch_and_the_threads_are_those_that_are_asked_for():
    seen = []

    class Watch(nn.Module):
        def forward(self, x):
            seen.append((tuple(x.shape), torch.get_num_threads(), torch.is_inference_mode_enabled(), self.training))
            return x
    before = torch.get_num_threads()
    assert median_ms(Watch().eval(), (3, 4, 4), Conditions(device='cpu', batch_size=5, threads=3), seconds=0.001) > 0
    assert set(seen) == {((5, 3, 4, 4), 3, True, False)} and len(seen) > 3
    assert torch.get_num_threads() == before


def test_what_was_measured_comes_back_bit_for_bit(parts):
    found = measure(parts.values(), CPU, rounds=1)
    assert Latencies.from_plain(json.loads(json.dumps(found.to_plain()))) == found
    assert found.missing([*parts, 'other']) == ['other']


@pytest.mark.parametrize('change', [
    lambda raw: raw.update(version=2), lambda raw: raw.pop('threads'), lambda raw: raw.update(parts=[1]),
    lambda raw: raw['parts'].update(x={'ms': -1.0}), lambda raw: raw['parts'].update(x={'ms': '1'}),
    lambda raw: raw['parts'].update(x={'ms': float('nan')}), lambda raw: raw['parts'].update(x={})])
def test_a_file_of_something_else_is_refused(parts, change):
    raw = measure(parts.values(), CPU, rounds=1).to_plain()
    change(raw)
    with pytest.raises(ValueError, match='expected'):
        Latencies.from_plain(raw)


class Own(nn.Module):
    """Weights and tables that no layer of PyTorch initialises."""

    def __init__(self):
        super().__init__()
        self.scale = nn.Parameter(torch.empty(3, 1, 1))
        self.register_buffer('order', torch.zeros(3, dtype=torch.long))
        self.norm = nn.BatchNorm2d(3)

    def forward(self, x):
        return self.norm(x[:, self.order] * self.scale)


def test_every_weight_gets_a_finite_value():
    torch.manual_seed(0)
    with torch.device('meta'):
        module = nn.Sequential(nn.Conv2d(3, 3, 1), Own()).train()
    network = with_weights(module, 'cpu')
    assert module[0].weight.is_meta and module.training and not network.training
    output = network(torch.randn(2, 3, 4, 4))
    assert output.isfinite().all() and output.std() > 0
    assert network[1].norm.running_var.tolist() == [1, 1, 1] and network[1].order.tolist() == [0, 0, 0]


def test_a_device_that_is_not_there_is_named():
    with pytest.raises(SettingsError, match="latency.device: expected a device of this machine, .* got 'cuda:99'; .*file"):
        check_device('cuda:99')
    check_device('cpu')


class OnMetaOnly(nn.Module):
    def forward(self, x):
        if not x.is_meta:
            raise RuntimeError('no kernel for this')
        return x + 1


def test_a_part_that_cannot_run_is_named():
    with torch.device('meta'):
        part = trace_operations(OnMetaOnly(), (3, 4, 4))
    with pytest.raises(SpaceError, match=r"OnMetaOnly\(\) cannot run on 2 inputs of shape \(3, 4, 4\) on latency.device 'cpu': "
                                         'RuntimeError: no kernel for this'):
        measure([part], CPU)
