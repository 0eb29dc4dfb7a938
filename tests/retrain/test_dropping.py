"""Drop-connect and dropout on networks of several spaces."""

import pytest
import torch
from nni.nas.hub.pytorch import ProxylessNAS, ShuffleNetSpace
from torch import nn

import toys
from nni_dna.errors import SettingsError
from nni_dna.retrain.dropping import check_dropping, drop_connect, set_dropout
from nni_dna.retrain.recipes import imagenet, quick
from nni_dna.spaces import DNASpace
from nni_dna.spaces.freezing import plain_network
from nni_dna.spaces.mbconv import MBConv

BLOCKS = [{'stride': 2, 'cells': ['3x8']}, {'stride': 2, 'cells': ['2x8']}]


def network(first_width=0):
    """Five MBConv, of which the second, third and fifth add their input."""
    torch.manual_seed(0)
    space = DNASpace(BLOCKS, kernel_sizes=[3], expansions=[3, 6], stem_width=8, first_width=first_width, head_width=16,
                     num_classes=4)
    sample = {f'block{block}/{cell}/layer{layer}': 'k3e3' for block, cell, count in ((1, '3x8', 3), (2, '2x8', 2))
              for layer in range(1, count + 1)}
    return plain_network(space, sample)


def blocks(net):
    return [module for module in net.modules() if isinstance(module, MBConv)]


def test_the_rate_grows_linearly_over_all_blocks_and_only_residual_ones_drop(monkeypatch):
    seen = []
    monkeypatch.setattr('nni_dna.retrain.dropping.stochastic_depth',
                        lambda output, rate, mode, training: seen.append((rate, mode, training)) or output)
    net = network()
    with drop_connect(net, 0.2):
        net.train()(torch.zeros(2, 3, 16, 16))
    assert seen == [(pytest.approx(0.2 * i / 5), 'row', True) for i in (1, 2, 4)]


def test_a_block_is_skipped_as_often_as_the_rate_says_and_keeps_its_expectation():
    net = network()
    block = blocks(net)[4]
    for norm in block.modules():
        if isinstance(norm, nn.BatchNorm2d):
            norm.eval()  # so that a sample's output does not depend on the others
    images = torch.randn(1, 8, 2, 2).expand(4000, -1, -1, -1)
    with torch.no_grad():
        branch = block(images[:1]) - images[:1]
        with drop_connect(net, 0.5):
            block.training = block.project.training = True
            added = block(images) - images
    rate = 0.5 * 4 / 5
    dropped = (added == 0).flatten(1).all(1)
    assert dropped.float().mean().item() == pytest.approx(rate, abs=0.03)
    kept = added[~dropped]
    assert torch.allclose(kept, (branch / (1 - rate)).expand_as(kept), atol=1e-5)
    assert torch.allclose(added.mean(0), branch[0], atol=0.15 * branch.abs().max().item())


def test_nothing_is_dropped_in_evaluation_mode_nor_afterwards():
    images = torch.randn(8, 3, 16, 16)
    net = network().eval()
    plain = net(images)
    with drop_connect(net, 0.9):
        assert torch.equal(net(images), plain)
        torch.manual_seed(1)
        dropped = net.train()(images)
    torch.manual_seed(1)
    assert not torch.allclose(net.train()(images), dropped)
    assert not any(module._forward_hooks for module in net.modules())


def test_the_names_of_the_weights_stay():
    net = network()
    names = list(net.state_dict())
    with drop_connect(net, 0.2):
        assert list(net.state_dict()) == names


def test_the_blocks_of_nnis_hub_drop_too():
    with torch.device('meta'):
        space = ProxylessNAS(num_labels=4, dropout_rate=0.3)
        net = plain_network(space, {label: mutable.values[-1] for label, mutable in space.simplify().items()})
    check_dropping(imagenet(), space)
    with drop_connect(net, 0.2):
        hooked = [module for module in net.modules() if module._forward_hooks]
    skips = [module for module in net.modules() if getattr(module, 'has_skip', False)]
    assert hooked == [module[-1] for module in skips] and len(skips) > 3


def test_dropout_modules_take_the_probability():
    net = network()
    set_dropout(net, 0.35)
    assert net.dropout.p == 0.35


@pytest.mark.parametrize('recipe, space, option', [
    (imagenet(), toys.Space(), 'retrain.dropout'), (imagenet(dropout=0.0), toys.Space(), 'retrain.drop_connect'),
    (quick(drop_connect=0.1), ShuffleNetSpace(num_labels=4), 'retrain.drop_connect')])
def test_what_a_network_does_not_have_cannot_be_dropped(recipe, space, option):
    with pytest.raises(SettingsError, match=f'^{option}: .* set {option}: 0'):
        check_dropping(recipe, space)


def test_what_is_not_dropped_need_not_be_there():
    check_dropping(imagenet(dropout=0.0, drop_connect=0.0), toys.Space())
    check_dropping(imagenet(), DNASpace(BLOCKS))
