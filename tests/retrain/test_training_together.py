"""Several processes that train one network: beside a plain loop over both processes' batches."""

import copy
import os

import pytest
import torch
from torch import nn
from torch.utils.data import DistributedSampler

import running
from nni_dna.campaign.tasks import retrain_tasks
from nni_dna.errors import SettingsError, TrainingError
from nni_dna.phases.retrain import untrained
from nni_dna.retrain import quick, train_classifier
from nni_dna.retrain.ranks import other_ranks, process_count
from nni_dna.weights import load_weights
from test_training_classifiers import loader

ARCHITECTURE = {'cell': 'deep', 'b1': 'k3', 'b2': 'k1', 'c1': 'k3', 'c2': 'k1'}
RETRAIN = {'recipe': 'quick', 'epochs': 3, 'optimizer': 'sgd', 'schedule': 'steps', 'lr': 0.05, 'lr_batch': 16,
           'weight_decay': 0.0, 'label_smoothing': 0.0, 'devices': 2}


def retrained(work, stop_at=None):
    """The weights and the reports of one winner, retrained as a trial does it; the search itself is left out."""
    campaign = running.open_campaign(work, retrain=RETRAIN)
    task, = retrain_tasks(campaign.setup.recipe, [ARCHITECTURE], {})
    metric, reports = running.run_until(campaign, task, stop_at)
    network = untrained(campaign.setup, ARCHITECTURE)
    load_weights(network, work / 'retrain/rank1/model.safetensors', 'test')
    return network.state_dict(), reports, metric


def both_processes(setup):
    """SGD on the mean of the gradients on two processes' batches, each normalised by itself; statistics are the first's."""
    network, data = untrained(setup, ARCHITECTURE), setup.data
    images = [data._plain(data.task.train)[i][0] for i in range(64)]
    optimizer = torch.optim.SGD(network.parameters(), lr=0.05 * 32 / 16, momentum=0.9)
    for epoch in range(3):
        orders = []
        for rank in range(2):
            sampler = DistributedSampler(range(64), 2, rank, shuffle=True, seed=0)
            sampler.set_epoch(epoch)
            orders.append(list(sampler))
        for start in (0, 16):
            optimizer.zero_grad()
            for replica, order in zip((network, copy.deepcopy(network)), orders):
                chosen = order[start:start + 16]
                logits = replica.train()(torch.stack([images[i] for i in chosen]))
                loss = nn.functional.cross_entropy(logits, torch.tensor([data.task.labels[i] for i in chosen])) / 2
                for parameter, gradient in zip(network.parameters(), torch.autograd.grad(loss, list(replica.parameters()))):
                    parameter.grad = gradient if parameter.grad is None else parameter.grad + gradient
            optimizer.step()
    return network.state_dict()


@pytest.mark.slow
def test_two_processes_that_were_interrupted_take_the_steps_of_both_batches(tmp_path):
    with pytest.raises(running.Interrupted):
        retrained(tmp_path / 'work', stop_at=3)
    weights, reports, metric = retrained(tmp_path / 'work')
    assert len(reports) == 3 and 0 <= metric['default'] <= 1
    assert not list((tmp_path / 'work').rglob('*.ckpt'))
    expected = both_processes(running.make_setup(tmp_path / 'other', retrain=RETRAIN))
    for name, tensor in weights.items():
        assert torch.allclose(tensor.double(), expected[name].double(), atol=1e-5), name
    assert not torch.distributed.is_initialized()
    assert not {'MASTER_ADDR', 'MASTER_PORT', 'NODE_RANK', 'LOCAL_RANK', 'WORLD_SIZE'} & set(os.environ)


def test_a_process_that_cannot_begin_is_told_of_before_anybody_waits_for_it():
    with pytest.raises(TrainingError, match='retrain.devices: process 1 of 2 ended with exit code 1'):
        with other_ranks(2, 'nni_dna.no_such_module', {}):
            pass


def test_a_training_together_whose_other_processes_were_not_started_is_refused():
    network = nn.Linear(1, 1)
    with pytest.raises(TrainingError, match='retrain.devices: 2 processes were asked for, but only this one is there'):
        train_classifier(network, 4, quick(epochs=1, devices=2), loader(0), lambda value: None)


@pytest.mark.parametrize('devices, gpus, expected', [(1, 0, 1), (3, 0, 3), ('auto', 0, 1), ('auto', 4, 4), (2, 4, 2), (4, 4, 4)])
def test_auto_takes_all_gpus_and_a_number_that_many(monkeypatch, devices, gpus, expected):
    monkeypatch.setattr(torch.cuda, 'device_count', lambda: gpus)
    assert process_count(devices) == expected


def test_more_devices_than_there_are_gpus_are_refused(monkeypatch):
    monkeypatch.setattr(torch.cuda, 'device_count', lambda: 2)
    with pytest.raises(SettingsError, match='retrain.devices: expected at most the 2 GPUs .* got 3; .*trialGpuNumber'):
        process_count(3)
