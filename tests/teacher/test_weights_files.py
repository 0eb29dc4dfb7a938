"""Weights files: read without pickle, refused where they do not fit."""

import os
import pickle

import pytest
import safetensors.torch
import torch
from torch import nn

from nni_dna.errors import WeightsError
from nni_dna.weights import load_weights, save_weights


def network(width=4):
    return nn.Sequential(nn.Conv2d(3, width, 3), nn.BatchNorm2d(width))


def filled(seed=0):
    torch.manual_seed(seed)
    made = network()
    made[1].running_mean.normal_()
    return made


def same(a, b):
    return a.keys() == b.keys() and all(torch.equal(tensor, b[name]) for name, tensor in a.items())


@pytest.mark.parametrize('write, name', [
    (lambda module, path: torch.save(module.state_dict(), path), 'w.pt'),
    (lambda module, path: torch.save(module.state_dict(), path), 'w.pth'),
    (lambda module, path: torch.save(module.state_dict(), path, _use_new_zipfile_serialization=False), 'old.pt'),
    (lambda module, path: safetensors.torch.save_file(module.state_dict(), path), 'w.safetensors'),
    (save_weights, 'own.safetensors'),
], ids=['pt', 'pth', 'pt of old', 'safetensors', 'our own'])
def test_weights_come_back_bit_by_bit(tmp_path, write, name):
    source, target = filled(), network()
    write(source, tmp_path / name)
    load_weights(target, tmp_path / name, 'teacher.weights')
    assert same(target.state_dict(), source.state_dict())


def test_what_we_write_is_what_safetensors_reads(tmp_path):
    source = filled()
    save_weights(source, tmp_path / 'w.safetensors')
    assert same(safetensors.torch.load_file(tmp_path / 'w.safetensors'), dict(source.state_dict()))
    assert os.listdir(tmp_path) == ['w.safetensors']


def test_writing_replaces_the_file_and_leaves_the_network(tmp_path):
    save_weights(filled(0), tmp_path / 'w.safetensors')
    source = filled(1)
    before = {name: tensor.clone() for name, tensor in source.state_dict().items()}
    save_weights(source, tmp_path / 'w.safetensors')
    assert same(safetensors.torch.load_file(tmp_path / 'w.safetensors'), before)
    assert same(dict(source.state_dict()), before)


def test_a_network_whose_layers_share_a_weight_is_written_and_read(tmp_path):
    def tied():
        made = nn.Sequential(nn.Linear(3, 3), nn.Linear(3, 3))
        made[1].weight = made[0].weight
        return made
    source, target = tied(), tied()
    save_weights(source, tmp_path / 'w.safetensors')
    load_weights(target, tmp_path / 'w.safetensors', 'teacher')
    assert same(target.state_dict(), source.state_dict())


class Code:
    """An object whose unpickling would create a file."""

    def __init__(self, path):
        self.path = path

    def __reduce__(self):
        return open, (self.path, 'w')


@pytest.mark.parametrize('write', [
    lambda value, path: torch.save({'0.weight': value}, path),
    lambda value, path: torch.save(value, path),
    lambda value, path: path.write_bytes(pickle.dumps(value, protocol=2)),
    lambda value, path: path.write_bytes(pickle.dumps({'0.weight': value}, protocol=2)),
], ids=['in a state_dict', 'saved itself', 'a bare pickle', 'a pickled dict'])
@pytest.mark.parametrize('name', ['w.pt', 'w.pth', 'w.pkl', 'w.safetensors', 'w'])
def test_a_pickle_with_code_in_it_is_refused_and_not_run(tmp_path, write, name):
    proof = tmp_path / 'proof'
    write(Code(str(proof)), tmp_path / name)
    with pytest.raises(WeightsError, match=f'weights: .*{name} cannot be read as weights only .*never executed'):
        load_weights(network(), tmp_path / name, 'teacher.weights')
    assert not proof.exists()


def test_the_code_would_have_run_had_it_been_unpickled(tmp_path):
    pickle.loads(pickle.dumps(Code(str(tmp_path / 'proof')))).close()
    assert (tmp_path / 'proof').exists()


def test_a_whole_pickled_module_is_refused(tmp_path):
    torch.save(network(), tmp_path / 'w.pt')
    with pytest.raises(WeightsError, match='cannot be read as weights only .*save model.state_dict'):
        load_weights(network(), tmp_path / 'w.pt', 'teacher.weights')


@pytest.mark.parametrize('name', ['w.pt', 'w.safetensors'])
@pytest.mark.parametrize('keep', [0, 1, 40, 0.5, 0.99])
def test_a_truncated_file_is_refused(tmp_path, name, keep):
    file = tmp_path / name
    save_weights(filled(), file) if name == 'w.safetensors' else torch.save(filled().state_dict(), file)
    content = file.read_bytes()
    file.write_bytes(content[:keep if isinstance(keep, int) else int(keep * len(content))])
    with pytest.raises(WeightsError, match=f'{name} cannot be read as weights only'):
        load_weights(network(), file, 'teacher.weights')


def test_a_missing_file_is_refused(tmp_path):
    for path in (tmp_path / 'nowhere.pt', tmp_path):
        with pytest.raises(WeightsError, match='teacher.weights: expected a weights file, got .*which is missing'):
            load_weights(network(), path, 'teacher.weights')


@pytest.mark.parametrize('state, message', [
    (lambda: network(5).state_dict(), r'6 of another shape \(first: 0.weight \(5, 3, 3, 3\) instead of \(4, 3'),
    (lambda: nn.Sequential(nn.Conv2d(3, 4, 3)).state_dict(), r'5 weights missing \(first: 1.weight\)'),
    (lambda: {**network().state_dict(), 'extra': torch.zeros(1)}, r'1 unknown weights \(first: extra\)'),
    (lambda: {f'module.{name}': tensor for name, tensor in network().state_dict().items()},
     r'7 weights missing \(first: 0.weight\); 7 unknown weights \(first: module\.'),
    (dict, '7 weights missing'),
], ids=['width', 'layer missing', 'one more', 'prefix', 'empty'])
@pytest.mark.parametrize('name', ['w.pt', 'w.safetensors'])
def test_the_weights_of_another_network_are_refused_and_the_network_stays_as_it_was(tmp_path, state, message, name):
    file = tmp_path / name
    safetensors.torch.save_file(state(), file) if name == 'w.safetensors' else torch.save(state(), file)
    target = filled()
    before = {key: tensor.clone() for key, tensor in target.state_dict().items()}
    with pytest.raises(WeightsError, match=f'teacher.weights: .*{name} belongs to another network: .*{message}'):
        load_weights(target, file, 'teacher.weights')
    assert same(dict(target.state_dict()), before)


@pytest.mark.parametrize('value, kind', [
    ([torch.zeros(1)], 'list'), (torch.zeros(1), 'Tensor'), ({'state_dict': {'0.weight': torch.zeros(1)}}, 'dict'),
    ({'0.weight': 3}, 'dict'), (3, 'int')])
def test_a_file_that_holds_no_state_dict_is_refused(tmp_path, value, kind):
    torch.save(value, tmp_path / 'w.pt')
    with pytest.raises(WeightsError, match=f'teacher.weights: expected .* to hold a state_dict .*got {kind}'):
        load_weights(network(), tmp_path / 'w.pt', 'teacher.weights')
