"""Which modules of a teacher are found to be stages."""

import pytest
import torch
from torch import nn
from torch.nn import functional
from torchvision import models
from torchvision.models.feature_extraction import create_feature_extractor

from made import choice, made, on_meta, proxyless, shuffle, teacher_stages
from nni_dna.errors import NniDnaError, TeacherError
from nni_dna.spaces import chain_of
from nni_dna.teacher import StagedTeacher, find_stages

NETWORKS = {
    'efficientnet_b0': 'features.0 features.1 features.2 features.3 features.4 features.5 features.6 features.7 avgpool',
    'resnet18': 'relu layer1 layer2 layer3 layer4 avgpool',
    'mobilenet_v2': ' '.join(f'features.{index}' for index in range(18)),
    'regnet_y_400mf': 'stem trunk_output.block1 trunk_output.block2 trunk_output.block3 trunk_output.block4 avgpool',
    'convnext_tiny': 'features.0 features.1 features.3 features.5 features.7 avgpool',
    'densenet121': 'features.relu0 features.denseblock1 features.denseblock2 features.denseblock3 features.denseblock4',
    'vgg11_bn': 'features.2 features.6 features.13 features.20 features.27 features.28 avgpool',
    'shufflenet_v2_x0_5': 'conv1 maxpool stage2 stage3 stage4',
}


def network(name):
    torch.manual_seed(0)
    return models.get_model(name, num_classes=3).eval()


@pytest.mark.parametrize('name', NETWORKS)
def test_the_stages_of_a_torchvision_network_are_its_parts_in_their_order(name):
    assert find_stages(network(name), (3, 64, 64)) == NETWORKS[name].split()


@pytest.mark.parametrize('name', NETWORKS)
def test_the_maps_of_the_stages_are_those_of_torchvisions_feature_extractor(name):
    teacher = network(name)
    images = torch.randn(1, 3, 64, 64, generator=torch.Generator().manual_seed(0))
    stages = find_stages(teacher, (3, 64, 64))
    maps = StagedTeacher(teacher, stages)(images)  # refuses a map that is changed in place afterwards
    wanted = [stage for stage in stages if stage != 'avgpool']
    with torch.no_grad():
        expected = create_feature_extractor(teacher, {stage: stage for stage in wanted})(images)
    for stage, found in zip(stages, maps):
        assert found.ndim == 4
        assert stage == 'avgpool' or torch.equal(found, expected[stage])


@pytest.mark.parametrize('name', ['efficientnet_b0', 'resnet18', 'mobilenet_v2', 'regnet_y_400mf', 'convnext_tiny'])
def test_the_stages_halve_the_resolution_until_the_pooling(name):
    sizes = [size for _, size in teacher_stages(name, 64)]
    assert sizes == sorted(sizes, reverse=True)
    assert {16, 8, 4, 2} <= {size[0] for size in sizes}


@pytest.mark.parametrize('size', [(3, 64, 64), (3, 96, 64), (3, 224, 224)])
def test_the_stages_do_not_depend_on_the_size_of_the_images(size):
    assert find_stages(network('resnet18'), size) == NETWORKS['resnet18'].split()


def test_of_single_layers_only_the_last_of_each_resolution_is_a_stage():
    plain = nn.Sequential(nn.Conv2d(3, 4, 3, 2, 1), nn.BatchNorm2d(4), nn.ReLU(), nn.Conv2d(4, 4, 3, padding=1), nn.ReLU(),
                          nn.MaxPool2d(2), nn.Conv2d(4, 5, 1))
    assert find_stages(plain, (3, 16, 16)) == ['4', '6']


def test_modules_that_are_more_than_a_layer_are_stages_though_their_resolution_is_the_same():
    def part():
        return nn.Sequential(nn.Conv2d(3, 3, 3, padding=1), nn.ReLU())
    assert find_stages(nn.Sequential(part(), part(), part()), (3, 8, 8)) == ['0', '1', '2']


def test_a_map_that_a_later_module_changes_in_place_is_no_stage():
    plain = nn.Sequential(nn.Sequential(nn.Conv2d(3, 4, 3, 2, 1), nn.BatchNorm2d(4)), nn.ReLU(inplace=True), nn.MaxPool2d(2),
                          nn.Sequential(nn.Conv2d(4, 4, 1)))
    assert find_stages(plain, (3, 16, 16)) == ['1', '3']


class Bottleneck(nn.Module):
    """A residual around two resolutions."""

    def __init__(self):
        super().__init__()
        self.inner = nn.Sequential(nn.Conv2d(3, 3, 3, 2, 1), nn.ConvTranspose2d(3, 3, 2, 2))

    def forward(self, x):
        return x + self.inner(x)


def test_what_is_within_a_residual_is_no_stage():
    chain = nn.Sequential(nn.Conv2d(3, 3, 3, 2, 1), Bottleneck(), nn.Conv2d(3, 3, 3, 2, 1))
    assert find_stages(chain, (3, 16, 16)) == ['1', '2']


class Function(nn.Module):
    """Three layers with something functional before the last."""

    def __init__(self):
        super().__init__()
        self.one, self.two, self.three = (nn.Conv2d(3, 3, 3, 2, 1) for _ in range(3))

    def forward(self, x):
        return self.three(functional.relu(self.two(self.one(x))))


def test_what_runs_behind_a_function_is_no_stage():
    assert find_stages(Function(), (3, 16, 16)) == ['one', 'two']


class NoMaps(nn.Module):
    def __init__(self):
        super().__init__()
        self.first = nn.Linear(48, 4)

    def forward(self, x):
        return self.first(x.flatten(1))


class FunctionFirst(nn.Module):
    def __init__(self):
        super().__init__()
        self.conv = nn.Conv2d(3, 3, 3)

    def forward(self, x):
        return self.conv(functional.interpolate(x, scale_factor=2))


@pytest.mark.parametrize('make', [NoMaps, FunctionFirst, nn.Flatten, lambda: nn.Sequential(nn.Flatten(), nn.Linear(48, 2))],
                         ids=['linear', 'function first', 'no parts', 'tokens'])
def test_a_network_without_a_chain_of_maps_is_refused(make):
    with pytest.raises(TeacherError, match='no modules of .* that run one after another give feature maps'):
        find_stages(make(), (3, 4, 4))


def test_the_network_is_left_as_it_was():
    teacher = network('resnet18').train()
    before = {name: tensor.clone() for name, tensor in teacher.state_dict().items()}
    find_stages(teacher, (3, 64, 64))
    assert teacher.training and all(parameter.requires_grad for parameter in teacher.parameters())
    assert all(torch.equal(tensor, before[name]) for name, tensor in teacher.state_dict().items())


# Transformers

def test_of_a_vision_transformer_only_its_patches_are_a_map_so_that_a_chain_behind_it_is_refused():
    transformer = models.VisionTransformer(image_size=64, patch_size=16, num_layers=1, num_heads=2, hidden_dim=8, mlp_dim=8)
    assert find_stages(transformer, (3, 64, 64)) == ['conv_proj']
    with pytest.raises(NniDnaError, match=r"no stage gives what module 'blocks.6' .*\(2x2 pixels\).*Stages: conv_proj: 4x4"):
        chain_of(on_meta(proxyless), (3, 64, 64), stages=[('conv_proj', (4, 4))], chosen_stages=False)


def test_a_swin_transformers_stages_are_found_though_their_channels_come_last():
    swin = models.SwinTransformer(patch_size=[4, 4], embed_dim=8, depths=[1, 1, 1, 1], num_heads=[1, 1, 1, 1],
                                  window_size=[2, 2], num_classes=3)
    found = find_stages(swin, (3, 64, 64))
    assert found == ['features.0', 'features.1', 'features.3', 'features.5', 'features.7', 'avgpool']  # none that only merges
    maps = StagedTeacher(swin, found)(torch.zeros(1, 3, 64, 64))
    assert [tuple(feature_map.shape[1:]) for feature_map in maps] == [
        (8, 16, 16), (8, 16, 16), (16, 8, 8), (32, 4, 4), (64, 2, 2), (64, 1, 1)]
    stages = [(name, tuple(feature_map.shape[2:])) for name, feature_map in zip(found, maps)]
    chain, names = chain_of(on_meta(shuffle), (3, 64, 64), stages=stages, chosen_stages=False)
    assert names == ('features.1', 'features.3', 'features.5', 'features.7')


def test_a_space_of_any_size_finds_a_stage_in_each_of_the_usual_teachers():
    space = made(lambda: {name: choice(name, stride=2) for name in 'abcde'})
    for name in ('efficientnet_b0', 'resnet18', 'mobilenet_v2', 'regnet_y_400mf', 'vgg11_bn', 'densenet121'):
        chain, names = chain_of(space, (3, 64, 64), stages=teacher_stages(name, 64), chosen_stages=False)
        assert len(chain.blocks) == len(names) == 5
        assert [block.paths for block in chain.blocks] == [2] * 5
