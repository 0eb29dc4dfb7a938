"""Winners as files: what they give is what the network gives, without NNI."""

from __future__ import annotations

import json
import pickle
import subprocess
import sys

import numpy as np
import onnx
import onnxruntime
import pytest
import torch
from running import run_in_process
from safetensors import safe_open
from torch import nn

import nni_dna
from nni_dna.cli import main
from nni_dna.cost import count
from nni_dna.errors import ExportError, ResultError, SettingsError
from nni_dna.exporting import FORMATS, export, to_bytes
from nni_dna.exporting.formats import ONNX_OPSET
from nni_dna.spaces import build_space
from nni_dna.spaces.freezing import plain_network
from nni_dna.spaces.published import published_architecture


@pytest.fixture(scope='module')
def finished(tmp_path_factory):
    return run_in_process(tmp_path_factory.mktemp('finished') / 'work')


@pytest.fixture(scope='module')
def dna_a():
    """The published network with random weights, and statistics of BatchNorm that keep its outputs apart."""
    torch.manual_seed(0)
    network = plain_network(build_space('dna', {'dropout': 0.0}, 10), published_architecture('dna-a'))
    for module in network.modules():
        if isinstance(module, nn.BatchNorm2d):
            module.momentum = None
    with torch.no_grad():
        network(torch.randn(16, 3, 64, 64))
    return network.eval()


def images(batch, size=16, seed=1):
    return torch.randn(batch, 3, size, size, generator=torch.Generator().manual_seed(seed))


def by_onnx(content, pictures):
    session = onnxruntime.InferenceSession(content, providers=['CPUExecutionProvider'])
    return torch.from_numpy(session.run(None, {session.get_inputs()[0].name: pictures.numpy()})[0])


# Whole networks

def test_dna_a_in_onnx_gives_what_it_gives_for_any_batch(dna_a):
    content, difference = to_bytes(dna_a, 'onnx', (3, 64, 64), {})
    with torch.no_grad():
        for batch in (1, 3, 8):
            expected = dna_a(images(batch, 64))
            assert expected.std() > 0.1
            torch.testing.assert_close(by_onnx(content, images(batch, 64)), expected, rtol=1e-4, atol=1e-4)
    assert 0 <= difference < 1e-4
    model = onnx.load_from_string(content)
    assert [opset.version for opset in model.opset_import if opset.domain == ''] == [ONNX_OPSET] == [17]


@pytest.mark.slow
def test_dna_a_by_torch_export_gives_what_it_gives_for_any_batch(dna_a, tmp_path):
    content, difference = to_bytes(dna_a, 'torch-export', (3, 64, 64), {})
    (tmp_path / 'network.pt2').write_bytes(content)
    read = torch.export.load(tmp_path / 'network.pt2').module()
    with torch.no_grad():
        for batch in (1, 5):
            torch.testing.assert_close(read(images(batch, 64)), dna_a(images(batch, 64)), rtol=1e-5, atol=1e-5)
    assert 0 <= difference < 1e-4


# Of an experiment

@pytest.mark.parametrize('form', FORMATS)
def test_the_command_writes_a_winner_and_what_it_is(finished, tmp_path, capsys, form):
    file = tmp_path / 'winner'
    assert main(['export', str(finished), '--rank', '2', '--format', form, '--output', str(file)]) == 0
    printed = capsys.readouterr().out
    entry = json.loads((finished / 'ranking.json').read_text())['ranking'][1]
    assert f'rank 2, {entry["params"]:,} parameters, {entry["madds"]:,} multiply-adds' in printed
    assert 'largest difference from the network: ' in printed
    metadata = json.loads((tmp_path / 'winner.json').read_text())
    assert metadata == {**{key: entry[key] for key in ('rank', 'architecture', 'rating', 'accuracy', 'params', 'madds')},
                        'image_shape': [3, 16, 16], 'num_classes': 4, 'mean': [0.485, 0.456, 0.406],
                        'std': [0.229, 0.224, 0.225], 'format': form}
    network = nni_dna.load(finished, 2)
    if form == 'onnx':
        assert json.loads(onnx.load(file).metadata_props[0].value) == metadata
        torch.testing.assert_close(by_onnx(file.read_bytes(), images(3)), network(images(3)).detach())
    elif form == 'torch-export':
        extra = {'nni_dna': ''}
        read = torch.export.load(file, extra_files=extra)
        assert json.loads(extra['nni_dna']) == metadata
        torch.testing.assert_close(read.module()(images(3)), network(images(3)))
    elif form == 'safetensors':
        with safe_open(file, 'pt') as read:
            assert json.loads(read.metadata()['nni_dna']) == metadata
            assert all(torch.equal(read.get_tensor(name), weight) for name, weight in network.state_dict().items())
    else:
        read = torch.load(file, weights_only=True)
        assert list(read) == list(network.state_dict())
        assert all(torch.equal(read[name], weight) for name, weight in network.state_dict().items())
    assert sorted(path.name for path in tmp_path.iterdir()) == ['winner', 'winner.json']


WITHOUT_NNI = '''
import json, sys
class Blocked:
    def find_spec(self, name, path=None, target=None):
        if name.partition('.')[0] in ('nni', 'nni_dna', 'toys', 'pytorch_lightning'):
            raise ImportError(name + ' is blocked')
sys.meta_path.insert(0, Blocked())
import numpy, torch
from safetensors.torch import load_file
images = torch.from_numpy(numpy.load('images.npy'))
module = torch.export.load('winner.torch-export').module()
weights = torch.load('winner.pt', weights_only=True)
assert all(torch.equal(weights[name], tensor) for name, tensor in load_file('winner.safetensors').items())
kinds = {kind.__module__.partition('.')[0] for part in module.modules() for kind in type(part).__mro__}
numpy.save('outputs.npy', module(images).detach().numpy())
print(json.dumps([sorted(kinds), sorted(weights)]))
'''


def test_what_is_written_is_read_where_nni_is_not_installed(finished, tmp_path):
    for form in ('safetensors', 'pt', 'torch-export'):
        export(finished, 1, form, tmp_path / f'winner.{form}')
    np.save(tmp_path / 'images.npy', images(5).numpy())
    done = subprocess.run([sys.executable, '-c', WITHOUT_NNI], cwd=tmp_path, capture_output=True, text=True, timeout=120)
    assert done.returncode == 0, done.stderr
    kinds, names = json.loads(done.stdout.splitlines()[-1])
    assert set(kinds) == {'builtins', 'torch'}
    network = nni_dna.load(finished)
    assert names == sorted(network.state_dict())
    torch.testing.assert_close(torch.from_numpy(np.load(tmp_path / 'outputs.npy')), network(images(5)).detach())


def test_a_loaded_winner_is_pickled_and_only_its_own_class_is_of_nnis(finished, dna_a):
    for network, size in ((nni_dna.load(finished), 16), (dna_a, 64)):
        again = pickle.loads(pickle.dumps(network))
        assert torch.equal(again(images(2, size)), network(images(2, size)))
        bases = {name: {kind.__module__.partition('.')[0] for kind in type(part).__mro__}
                 for name, part in network.named_modules()}
        assert {name for name, modules in bases.items() if 'nni' in modules} == {''}


def test_another_image_size_is_exported_and_counted(finished, tmp_path):
    done = export(finished, 1, 'onnx', tmp_path / 'winner.onnx', image_size=24)
    network = nni_dna.load(finished)
    assert by_onnx(done.path.read_bytes(), images(2, 24)).shape == (2, 4)
    assert done.metadata['image_shape'] == [3, 24, 24]
    entry = json.loads((finished / 'ranking.json').read_text())['ranking'][0]
    expected = count(network.to('meta'), (3, 24, 24))[0]
    assert (done.metadata['params'], done.metadata['madds']) == (entry['params'], expected.madds)
    assert expected.madds > entry['madds']


def test_a_file_that_is_there_is_replaced_as_a_whole(finished, tmp_path):
    file = tmp_path / 'winner.pt'
    file.write_bytes(b'x' * 100_000)
    export(finished, 1, 'pt', file)
    assert torch.load(file, weights_only=True).keys() == nni_dna.load(finished).state_dict().keys()


# What cannot be done

@pytest.mark.parametrize(['arguments', 'error', 'message'], [
    ({'rank': 3}, ResultError, 'rank: expected a retrained winner, got rank 3'),
    ({'output': '/nowhere/winner'}, SettingsError, '--output: expected a file in a folder that exists'),
    ({'image_size': 0}, SettingsError, '--image-size: expected a number of pixels of at least 1, got 0'),
    ({'format': 'jit'}, ExportError, "format: expected one of safetensors, pt, onnx, torch-export, got 'jit'")])
def test_a_wrong_call_is_one_error_and_writes_nothing(finished, tmp_path, arguments, error, message):
    with pytest.raises(error, match=message):
        export(**{'work': finished, 'rank': 1, 'format': 'pt', 'output': tmp_path / 'winner', **arguments})
    assert not list(tmp_path.iterdir())


@pytest.mark.parametrize('missing', ['onnx', 'onnxruntime'])
def test_without_its_packages_onnx_says_what_to_install(finished, tmp_path, monkeypatch, missing):
    monkeypatch.setitem(sys.modules, missing, None)
    with pytest.raises(ExportError, match=rf"format onnx: .*{missing}.*pip install 'nni_dna\[onnx\]'"):
        export(finished, 1, 'onnx', tmp_path / 'winner')
    export(finished, 1, 'pt', tmp_path / 'winner')


class Branching(nn.Module):
    """Its trace on zeros takes the other branch."""

    def forward(self, x):
        return x.mean((2, 3)) if x.sum() == 0 else x.mean((2, 3)) + 1


class ByBatch(nn.Module):
    """What it gives depends on how many images there are."""

    def forward(self, x):
        return x.mean((2, 3)).reshape(len(x) // 2 or 1, -1) if len(x) % 2 == 0 else x.mean((2, 3))


class Noisy(nn.Module):
    def forward(self, x):
        return x.mean((2, 3)) + torch.rand(1)


class Broken(nn.Module):
    def forward(self, x):
        return torch.zeros(0).new_tensor(float('nan')) * x.mean((2, 3))


@pytest.mark.filterwarnings('ignore::torch.jit.TracerWarning')
@pytest.mark.parametrize(['network', 'form', 'message'], [
    (Branching(), 'onnx', 'differs from the network by up to 1 for 1 images'),
    (Branching(), 'torch-export', 'format torch-export: PyTorch cannot export this network'),
    (ByBatch(), 'onnx', 'gives outputs of shape|PyTorch cannot export|differs'),
    (Noisy(), 'torch-export', 'differs from the network by up to'),
    (Broken(), 'torch-export', 'differs from the network by up to nan')])
def test_a_network_that_cannot_be_written_as_it_is_is_refused(network, form, message):
    with pytest.raises(ExportError, match=message):
        to_bytes(network.eval(), form, (3, 8, 8), {})
