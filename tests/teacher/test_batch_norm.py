"""By which statistics the teacher's BatchNorm normalises, and that its own never change."""

import copy

import pytest
import timm
import torch
from torch import nn
from torchvision import models
from torchvision.models.feature_extraction import create_feature_extractor

from nni_dna.errors import TeacherError
from nni_dna.teacher import StagedTeacher

STAGES = ['layer1', 'layer3']


def stir(network):
    """Statistics as after some training."""
    torch.manual_seed(1)
    for module in network.modules():
        if isinstance(module, nn.BatchNorm2d):
            module.running_mean.normal_()
            module.running_var.uniform_(0.5, 2)
    return network


@pytest.fixture(scope='module')
def network():
    torch.manual_seed(0)
    return stir(models.resnet18(num_classes=5))


@pytest.fixture(scope='module')
def images():
    return torch.randn(3, 4, 3, 48, 48, generator=torch.Generator().manual_seed(0)) * 2 + 1


def extracted(network, images):
    """The maps, by torchvision."""
    mode = network.training
    with torch.no_grad():
        maps = create_feature_extractor(network, {stage: stage for stage in STAGES}).train(mode)(images)
    return [maps[stage] for stage in STAGES]


def same(first, second):
    return all(torch.equal(a, b) for a, b in zip(first, second, strict=True))


def state(network):
    return [(module.training, {name: tensor.clone() for name, tensor in module.state_dict().items()})
            for module in network.modules()]


def unchanged(network, before):
    return all(mode == other and all(torch.equal(tensor, kept[name]) for name, tensor in found.items())
               for (mode, found), (other, kept) in zip(state(network), before, strict=True))


def test_while_distilling_it_normalises_by_the_batch_as_in_training_mode(network, images):
    teacher = StagedTeacher(copy.deepcopy(network), STAGES, 'train').train()
    for batch in images:
        assert same(teacher(batch), extracted(copy.deepcopy(network).train(), batch))


def test_by_default_it_normalises_by_its_running_statistics_whatever_the_mode(network, images):
    teacher = StagedTeacher(copy.deepcopy(network), STAGES)
    expected = extracted(copy.deepcopy(network).eval(), images[0])
    assert same(teacher.train()(images[0]), expected)
    teacher.calibrate(images[1])
    assert same(teacher(images[0]), expected)


def reset(network, images):
    """PyTorch's way: a momentum of 1, and one pass in training mode."""
    network = copy.deepcopy(network)
    for module in network.modules():
        if isinstance(module, nn.BatchNorm2d):
            module.momentum = 1.0
    with torch.no_grad():
        network.train()(images)
    return network.eval()


def test_while_rating_it_normalises_by_the_statistics_of_the_calibration_images(network, images):
    teacher = StagedTeacher(copy.deepcopy(network), STAGES, 'train')
    teacher.train()(images[2])
    teacher.calibrate(images[0])
    assert same(teacher(images[1]), extracted(reset(network, images[0]), images[1]))
    teacher.train()(images[2])
    teacher.calibrate(images[1])
    assert same(teacher(images[2]), extracted(reset(network, images[1]), images[2]))


def test_what_an_image_gives_while_rating_does_not_depend_on_those_beside_it(network, images):
    teacher = StagedTeacher(copy.deepcopy(network), STAGES, 'train')
    teacher.calibrate(images[0])
    whole, alone = teacher(images[1]), teacher(images[1][:1])
    assert all(torch.allclose(one, several[:1], atol=1e-4) for one, several in zip(alone, whole))


def test_nothing_that_is_done_changes_the_running_statistics_or_the_modes(network, images):
    teacher = StagedTeacher(copy.deepcopy(network), STAGES, 'train')
    before, expected = state(teacher.network), extracted(copy.deepcopy(network).eval(), images[0])
    assert same(teacher(images[0]), expected)
    teacher.train()(images[0])
    assert unchanged(teacher.network, before)
    teacher.calibrate(images[1])
    teacher(images[2])
    assert unchanged(teacher.network, before)
    assert {norm.momentum for norm in teacher.modules() if isinstance(norm, nn.BatchNorm2d)} == {0.1}
    assert same(StagedTeacher(teacher.network, STAGES)(images[0]), expected)


def test_a_forward_pass_that_fails_puts_everything_back(network):
    teacher = StagedTeacher(copy.deepcopy(network), STAGES, 'train').train()
    before = state(teacher.network)
    with pytest.raises(RuntimeError):
        teacher(torch.zeros(2, 5, 48, 48))
    with pytest.raises(RuntimeError):
        teacher.calibrate(torch.zeros(2, 5, 48, 48))
    assert unchanged(teacher.network, before)


def test_dropout_and_stochastic_depth_stay_off():
    torch.manual_seed(0)
    network = models.efficientnet_b0(num_classes=3, stochastic_depth_prob=0.9)
    teacher = StagedTeacher(network, ['features.2', 'features.5'], 'train').train()
    images = torch.randn(2, 3, 32, 32)
    assert same(teacher(images), teacher(images))


def test_timms_batch_norms_with_an_activation_are_normalised_alike(images):
    torch.manual_seed(0)
    network = stir(timm.create_model('mobilenetv2_035', num_classes=3))
    teacher = StagedTeacher(network, ['blocks.1', 'blocks.3'], 'train')
    before = state(network)
    training = copy.deepcopy(network).train()
    maps = teacher.train()(images[0])
    assert not same(maps, StagedTeacher(network, teacher.stages)(images[0]))
    seen = []
    for stage in ('blocks.1', 'blocks.3'):
        training.get_submodule(stage).register_forward_hook(lambda module, inputs, output: seen.append(output))
    with torch.no_grad():
        training(images[0])
    assert same(maps, seen)
    assert unchanged(network, before)


def test_a_teacher_without_batch_norm_is_refused():
    network = nn.Sequential(nn.Conv2d(3, 4, 3), nn.BatchNorm2d(4, track_running_stats=False))
    StagedTeacher(network, ['0'])
    with pytest.raises(TeacherError, match='teacher.batch_norm: Sequential has no BatchNorm with running statistics.*write eval'):
        StagedTeacher(network, ['0'], 'train')
