"""The mutator without NNI's experiment: a model space and a teacher in, a block-wise supernet out."""

from __future__ import annotations

import pytest
import pytorch_lightning as pl
import toys
import torch
from nni.mutable import ensure_frozen
from nni.nas.hub.pytorch import ProxylessNAS
from nni.nas.nn.pytorch import ModelSpace, MutableModule
from nni.nas.oneshot.pytorch.supermodule.base import BaseSuperNetModule
from torch import nn

import nni
from nni_dna import DNAMutator, NniDnaError
from nni_dna.distill import BlockwiseDistillation
from nni_dna.settings.distillation import DistillSettings


class Scale(MutableModule):
    """A choice module of a user's own: multiplies by one of some numbers."""

    def __init__(self, factors, label):
        super().__init__()
        self.factor = self.add_mutable(nni.choice(label, factors))
        self.chosen = ensure_frozen(self.factor)

    def freeze(self, sample):
        frozen = Fixed()
        frozen.factor = self.factor.freeze(sample)
        return frozen

    def forward(self, x):
        return x * self.chosen


class Fixed(nn.Module):
    def forward(self, x):
        return x * self.factor


class SuperScale(BaseSuperNetModule):
    """Its supermodule."""

    def __init__(self, factor):
        super().__init__()
        self.factor = self.add_mutable(factor)

    def resample(self, memo):
        self.now = memo[self.factor.label]
        return {self.factor.label: self.now}

    def forward(self, x):
        return x * self.now

    @classmethod
    def mutate(cls, module, name, memo, mutate_kwargs):
        return cls(module.factor) if isinstance(module, Scale) else None


class ScaledSpace(ModelSpace):
    def __init__(self):
        super().__init__()
        self.one = nn.Sequential(toys._layer('one', 3, 4, 2), Scale([1., 2., 3.], 'scale'))
        self.two = toys._layer('two', 4, 4, 2)
        self.head = nn.Linear(4, 4)

    def forward(self, x):
        return self.head(self.two(self.one(x)).mean((2, 3)))


class Five(nn.Module):
    """A teacher that halves 32 pixels five times."""

    def __init__(self):
        super().__init__()
        for number, (inputs, outputs) in enumerate(zip((3, 4, 6, 8, 10), (4, 6, 8, 10, 12)), start=1):
            setattr(self, f'stage{number}', nn.Sequential(nn.Conv2d(inputs, outputs, 3, 2, 1), nn.ReLU()))

    def forward(self, x):
        return self.stage5(self.stage4(self.stage3(self.stage2(self.stage1(x)))))


def test_a_hub_space_is_trained_block_by_block_without_an_experiment():
    space = ProxylessNAS(10, base_widths=(4,) * 9)
    before = {name: tensor.clone() for name, tensor in space.state_dict().items()}
    supernet = DNAMutator().mutate(space, Five(), (3, 32, 32), definition={
        f's{stage}_i{layer}': {'_type': 'choice', '_value': ['k3e3', 'k5e3']} for stage in range(2, 7) for layer in range(4)})
    assert supernet.matching.stages == ('stage2', 'stage3', 'stage4', 'stage5')
    images = torch.randn(4, 3, 32, 32)
    maps = [images, *supernet.teacher(images)]
    for b, s, block, name in supernet.matching.chain.supernets():
        for index, cell in enumerate(cell for cell in block.cells if cell.supernet == name):
            path = cell.digits(cell.paths - 1)
            assert supernet.blocks[b, s](maps[b], index, path).shape == maps[b + 1].shape

    losses = []
    module = BlockwiseDistillation(supernet.teacher, supernet.blocks, DistillSettings(), 0, losses.append)
    data = torch.utils.data.DataLoader(torch.utils.data.TensorDataset(torch.randn(16, 3, 32, 32)), batch_size=8)
    pl.Trainer(max_epochs=2, accelerator='cpu', logger=False, enable_checkpointing=False, enable_progress_bar=False,
               enable_model_summary=False).fit(module, data)
    assert [set(means) for means in losses] == [set(supernet.blocks)] * 2
    for name, tensor in space.state_dict().items():  # the space is left as it was
        torch.testing.assert_close(tensor, before[name], rtol=0, atol=0)


def test_one_hook_makes_a_supermodule_of_a_choice_module_of_the_users_own():
    supernet = DNAMutator([SuperScale.mutate]).mutate(ScaledSpace(), toys.Teacher(), (3, 16, 16))
    block, net = supernet.matching.chain.blocks[0], supernet.blocks[0, 0].eval()
    assert block.paths == 6
    images = torch.randn(2, 3, 16, 16)
    steps = net.steps[0]
    for path in range(block.paths):
        layer, scale = block.cells[0].digits(path)
        plain = net.run_step(0, 1, layer, images)
        expected = steps[3](plain * (1., 2., 3.)[scale])
        torch.testing.assert_close(net(images, 0, (layer, scale)), expected)


def test_without_the_hook_the_error_says_where_to_give_it():
    with pytest.raises(NniDnaError, match='Scale.*mutation_hooks of DNA or DNAMutator'):
        DNAMutator().mutate(ScaledSpace(), toys.Teacher(), (3, 16, 16))
