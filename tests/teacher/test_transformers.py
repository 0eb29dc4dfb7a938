"""Feature maps of transformers: tokens and channels-last maps, against what the network itself makes of them."""

import pytest
import timm
import torch
from torchvision import models

from nni_dna.teacher import StagedTeacher

IMAGES = torch.randn(2, 3, 64, 64, generator=torch.Generator().manual_seed(0))


def outputs(network, stages):
    """What the modules give."""
    seen = []
    handles = [network.get_submodule(stage).register_forward_hook(lambda module, inputs, output: seen.append(output))
               for stage in stages]
    with torch.no_grad():
        network.eval()(IMAGES)
    for handle in handles:
        handle.remove()
    return seen


@pytest.mark.parametrize('make, stages, before', [
    (lambda: models.VisionTransformer(image_size=64, patch_size=16, num_layers=2, num_heads=2, hidden_dim=8, mlp_dim=8),
     ['encoder.layers.encoder_layer_0', 'encoder'], 1),
    (lambda: timm.create_model('vit_tiny_patch16_224', img_size=64, depth=2), ['blocks.0', 'norm'], 1),
    (lambda: timm.create_model('deit_tiny_distilled_patch16_224', img_size=64, depth=2), ['blocks.0', 'blocks.1'], 2),
    (lambda: timm.create_model('vit_relpos_small_patch16_224', img_size=64, depth=2), ['blocks.0', 'blocks.1'], 0),
], ids=['torchvision', 'timm', 'with a distillation token', 'without a class token'])
def test_the_patches_of_a_vision_transformer_are_the_pixels_of_its_maps(make, stages, before):
    torch.manual_seed(0)
    network = make()
    maps = StagedTeacher(network, stages)(IMAGES)
    for found, tokens in zip(maps, outputs(network, stages), strict=True):
        assert found.shape == (2, tokens.shape[2], 4, 4)
        assert torch.equal(found.flatten(2), tokens[:, before:].mT)


def test_the_maps_of_timms_transformers_are_those_that_timm_gives_as_features():
    torch.manual_seed(0)
    network = timm.create_model('vit_tiny_patch16_224', img_size=64, depth=3).eval()
    with torch.no_grad():
        expected = network.forward_intermediates(IMAGES, norm=False, intermediates_only=True)
    maps = StagedTeacher(network, [f'blocks.{index}' for index in range(3)])(IMAGES)
    assert all(torch.equal(found, feature_map) for found, feature_map in zip(maps, expected, strict=True))


def test_the_maps_of_timms_swin_transformers_are_those_that_timm_gives_as_features():
    torch.manual_seed(0)
    network = timm.create_model('swin_tiny_patch4_window7_224', img_size=64, window_size=2, embed_dim=12, depths=(1, 1, 2, 1),
                                num_heads=(1, 1, 2, 2)).eval()
    with torch.no_grad():
        expected = network.forward_intermediates(IMAGES, norm=False, intermediates_only=True, output_fmt='NCHW')
    maps = StagedTeacher(network, [f'layers.{index}' for index in range(4)])(IMAGES)
    assert all(torch.equal(found, feature_map) for found, feature_map in zip(maps, expected, strict=True))


def test_the_last_map_of_torchvisions_swin_transformer_is_what_it_pools():
    torch.manual_seed(0)
    network = models.SwinTransformer(patch_size=[4, 4], embed_dim=8, depths=[1, 1], num_heads=[1, 1], window_size=[2, 2])
    last, = StagedTeacher(network, ['norm'])(IMAGES)
    assert torch.equal(last, outputs(network, ['permute'])[0])
