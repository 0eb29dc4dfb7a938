"""A supernet's paths beside the plain networks that NNI freezes for them, with the same weights."""

import itertools

import nni
import numpy as np
import torch
from torch import nn
from nni.nas.nn.pytorch import LayerChoice, Repeat

from made import choice, conv, nni_freezes, norm_conv, on_meta, read, seq
from nni_dna.cost import border_shapes
from nni_dna.supernet import DNAMutator


class Case:
    """A model space twice: without memory to read its chain, and with weights to make supernets of."""

    def __init__(self, make, size=16, **options):
        on_paper = on_meta(make)
        self.chain = read(on_paper, size, **options)
        self.shapes = border_shapes(on_paper, self.chain, (3, size, size))
        torch.manual_seed(0)
        self.space = make()

    def supernet(self, block, name='only', mutator=None, **options):
        """With nothing at its borders, unless told otherwise."""
        options = {'entry': nn.Identity(), 'exits': [nn.Identity()], **options}
        return (mutator or DNAMutator()).supernet(self.space, self.chain, block=block, name=name, **options)

    def cells(self, block, name):
        return [cell for cell in self.chain.blocks[block].cells if cell.supernet == name]

    def plain(self, supernet, block, cell, path):
        """The network that NNI freezes for a path, with the weights of the supernet."""
        own = self.chain.blocks[block]
        sample = {**own.incoming, **cell.architecture(path)}
        index = self.cells(block, cell.supernet).index(cell)
        network = nn.Sequential()
        for layer, mutated in zip(cell.layers, supernet.steps[index][1:-1]):
            original = self.space.get_submodule(layer.name)
            plain = nni_freezes(original, sample)
            copy_weights(original, mutated, plain, sample)
            network.append(plain)
        return network

    def input(self, block, images=3):
        shape = self.shapes.inputs[block][-1] if block else next(iter(self.shapes.inputs[0]))
        return torch.randn(images, *shape, generator=torch.Generator().manual_seed(7))


def copy_weights(original, mutated, plain, sample):
    """Give a frozen module the weights that its supermodule has for it: the first channels, and the centre of a kernel."""
    if isinstance(original, LayerChoice):
        copy_weights(original[sample[original.label]], mutated[sample[original.label]], plain, sample)
    elif isinstance(original, Repeat):
        for index, block in enumerate(plain):
            copy_weights(original.blocks[index], mutated.blocks[index], block, sample)
    else:
        for name, tensor in itertools.chain(plain._parameters.items(), plain._buffers.items()):
            if tensor is not None:
                tensor.data.copy_(sliced(getattr(mutated, name), tensor.shape))
        for name, child in plain.named_children():
            copy_weights(original.get_submodule(name), mutated.get_submodule(name), child, sample)


def sliced(tensor, shape):
    assert all(whole >= part for whole, part in zip(tensor.shape, shape))
    for dimension, (whole, part) in enumerate(zip(tensor.shape, shape)):
        tensor = tensor.narrow(dimension, (whole - part) // 2 if dimension >= 2 else 0, part)
    return tensor


def randomise(module):
    """Weights and statistics that differ from channel to channel."""
    generator = torch.Generator().manual_seed(3)
    for tensor in itertools.chain(module.parameters(), module.buffers()):
        if tensor.is_floating_point():
            with torch.no_grad():
                tensor.copy_(torch.rand(tensor.shape, generator=generator) + 0.5 if tensor.ndim == 1 else
                             torch.randn(tensor.shape, generator=generator) / tensor[0].numel()**0.5)


def statistics(network):
    return [buffer for name, buffer in network.named_buffers() if 'running' in name]


def assert_paths_agree(case, block, name='only', paths=6, seed=0):
    """Compare random paths, or all of them, of every cell of a supernet, in training and in evaluation."""
    supernet = case.supernet(block, name)
    randomise(supernet)
    x, rng = case.input(block), np.random.default_rng(seed)
    for index, cell in enumerate(case.cells(block, name)):
        assert supernet.radix[index] == (1, *cell.radix, 1)
        chosen = range(cell.paths) if paths is None or cell.paths <= paths else \
            [0, cell.paths - 1, *rng.integers(0, cell.paths, paths - 2).tolist()]
        for path in chosen:
            plain = case.plain(supernet, block, cell, path)
            for mode in (False, True):  # first with the running statistics, then with the batch's
                supernet.train(mode)
                plain.train(mode)
                for part in itertools.chain(supernet.modules(), plain.modules()):
                    if isinstance(part, nn.Dropout):
                        part.eval()
                with torch.no_grad():
                    expected = plain(x.clone())
                    found = supernet(x, index, cell.digits(path))
                assert found.shape == expected.shape
                assert torch.allclose(found, expected, rtol=1e-4, atol=1e-4 * float(expected.abs().max()))
            # training moved the statistics of the supernet as those of the plain network
            again = case.plain(supernet, block, cell, path)
            assert all(torch.allclose(a, b, rtol=1e-4, atol=1e-4) for a, b in zip(statistics(again), statistics(plain)))


TOY_SUPERNETS = [(0, 'shallow'), (0, 'deep'), (1, 'only')]
DIGITS_SUPERNETS = [(0, '2x4'), (0, '2x8'), (1, '1x16'), (1, '2x4'), (1, '2x16'), (2, '1x24'), (2, '2x8'), (2, '2x24')]


def depth_and_width():
    inner, out = nni.choice('w', [4, 6]), nni.choice('out', [5, 8])
    return {'stem': conv(nni.choice('s', [3, 5]), 3, 3, 2),
            'a': Repeat(lambda index: LayerChoice({'k1': norm_conv(inner if index else 3, inner, 1),
                                                   'k5': norm_conv(inner if index else 3, inner, 5)}, label=f'a{index}'),
                        (1, 3), label='d'),
            'b': seq(norm_conv(inner, out, nni.choice('kb', [1, 3, 5]), 2), choice('b', out, out)),
            'c': Repeat(lambda index: norm_conv(out, out, nni.choice(f'c{index}', [1, 3])), (0, 2), label='e')}
