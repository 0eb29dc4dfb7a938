"""The teacher's feature maps, compared with torchvision's own feature extractor."""

from collections import OrderedDict

import pytest
import torch
from torch import nn
from torchvision import models
from torchvision.models.feature_extraction import create_feature_extractor

from nni_dna.errors import TeacherError
from nni_dna.teacher import StagedTeacher

STAGES = ['layer1', 'layer2', 'layer3', 'layer4']


@pytest.fixture(scope='module')
def images():
    return torch.randn(2, 3, 64, 64, generator=torch.Generator().manual_seed(0))


def resnet():
    torch.manual_seed(0)
    network = models.resnet18(num_classes=5)
    for module in network.modules():  # statistics that tell training mode from evaluation mode
        if isinstance(module, nn.BatchNorm2d):
            module.running_mean.normal_()
            module.running_var.uniform_(0.5, 2)
    return network


@pytest.fixture
def teacher():
    return StagedTeacher(resnet(), STAGES)


@pytest.mark.parametrize('stages', [STAGES, ['layer3'],
                                    ['maxpool', 'layer2.0', 'layer2.1', 'layer4.1.conv2']])
def test_the_maps_are_those_of_torchvisions_feature_extractor(images, stages):
    expected = create_feature_extractor(resnet().eval(), {stage: stage for stage in stages})(images)
    maps = StagedTeacher(resnet(), stages)(images)
    assert len(maps) == len(stages)
    for stage, feature_map in zip(stages, maps):
        assert torch.equal(feature_map, expected[stage])


def test_a_second_batch_gives_maps_of_its_own(teacher, images):
    first = [feature_map.clone() for feature_map in teacher(images)]
    second = teacher(images * 2)
    assert not any(torch.equal(a, b) for a, b in zip(first, second))
    assert all(torch.equal(a, b) for a, b in zip(first, teacher(images)))


def test_the_teacher_stays_in_evaluation_mode_within_a_module_that_trains(teacher, images):
    around = nn.ModuleList([teacher])
    before = {name: tensor.clone() for name, tensor in teacher.state_dict().items()}
    expected = teacher(images)
    around.train()
    assert around.training and not any(module.training for module in teacher.modules())
    assert all(torch.equal(a, b) for a, b in zip(expected, teacher(images)))
    assert all(torch.equal(tensor, before[name]) for name, tensor in teacher.state_dict().items())


def test_nothing_of_the_teacher_asks_for_gradients(teacher, images):
    maps = teacher(images.clone().requires_grad_())
    assert not any(feature_map.requires_grad for feature_map in maps)
    assert not any(parameter.requires_grad for parameter in teacher.parameters())


@pytest.mark.parametrize('stages, message', [
    (['layer1', 'layer22'], "the teacher has no module 'layer22'; nearest known: .*layer2"),
    (['layr3'], "no module 'layr3'; nearest known: .*layer3"),
    (['layer1.7'], r"no module 'layer1.7'; nearest known: .*layer1"),
    ([''], "no module ''"),
])
def test_an_unknown_stage_names_the_nearest(stages, message):
    with pytest.raises(TeacherError, match=f'teacher.stages: .*{message}'):
        StagedTeacher(resnet(), stages)


def test_a_stage_that_gives_no_feature_map_is_refused(images):
    with pytest.raises(TeacherError, match=r"module 'fc' to give a feature map .*got \(2, 5\); name an earlier"):
        StagedTeacher(resnet(), ['layer1', 'fc'])(images)


def test_one_pixel_is_a_feature_map(images):
    assert StagedTeacher(resnet(), ['avgpool'])(images)[0].shape == (2, 512, 1, 1)


class Odd(nn.Module):
    """A module that never runs, and one that gives two tensors."""

    def __init__(self):
        super().__init__()
        self.unused = nn.Conv2d(3, 3, 1)
        self.two = nn.Module()
        self.two.forward = lambda x: (x, x)

    def forward(self, x):
        return self.two(x)[0]


@pytest.mark.parametrize('stage, message', [
    ('unused', "module 'unused' does not run in the teacher's forward pass"),
    ('two', "expected module 'two' to give a feature map .*got tuple"),
])
def test_a_stage_without_a_map_of_its_own_is_refused(images, stage, message):
    with pytest.raises(TeacherError, match=message):
        StagedTeacher(Odd(), [stage])(images)


def vgg_like():
    return nn.Sequential(OrderedDict(conv=nn.Conv2d(3, 4, 3), relu=nn.ReLU(inplace=True), pool=nn.MaxPool2d(2)))


def test_a_stage_that_a_later_module_changes_in_place_is_refused(images):
    with pytest.raises(TeacherError, match="a later module changes the output of 'conv' in place; name that module"):
        StagedTeacher(vgg_like(), ['conv', 'pool'])(images)


def test_the_module_that_changes_it_in_place_is_a_stage(images):
    torch.manual_seed(0)
    network = vgg_like()
    expected = network.conv(images).relu()
    assert torch.equal(StagedTeacher(network, ['relu', 'pool'])(images)[0], expected)


@pytest.mark.parametrize('stage', ['layer1.0.bn1', 'layer1.0.bn2', 'bn1'])
def test_a_resnets_inner_maps_that_are_changed_in_place_are_refused(images, stage):
    with pytest.raises(TeacherError, match=f"changes the output of '{stage}' in place"):
        StagedTeacher(resnet(), [stage])(images)


@pytest.mark.parametrize('count', [1, 2, 4])
def test_no_module_behind_the_last_stage_that_is_asked_for_runs(teacher, images, count):
    expected, ran = teacher(images), []
    for name in [*STAGES, 'fc']:
        teacher.network.get_submodule(name).register_forward_hook(lambda *_, name=name: ran.append(name))
    found = teacher(images, count)
    assert ran == STAGES[:count]
    assert all(torch.equal(a, b) for a, b in zip(expected, found)) and len(found) == count


@pytest.mark.parametrize('stages, batch_norm', [(STAGES, 'eval'), (['layer1.0', 'layer3'], 'eval'), (STAGES, 'train')])
def test_a_compiled_teacher_gives_the_same_maps(images, stages, batch_norm):
    teacher = StagedTeacher(resnet(), stages, batch_norm)
    teacher.train()
    expected = teacher(images)
    teacher.compile(backend='aot_eager')  # all of it but the generated code
    for _ in range(2):
        for found, wanted in zip(teacher(images, len(stages)), expected):
            torch.testing.assert_close(found, wanted)


def test_all_of_a_teacher_but_what_holds_a_stage_is_compiled(images):
    torch._dynamo.reset()  # of what the other tests compiled
    parts = []

    def backend(graph, inputs):
        parts.append(sum(node.op == 'call_function' or node.op == 'call_module' for node in graph.graph.nodes))
        return graph.forward

    teacher = StagedTeacher(resnet(), ['layer2', 'layer4.0'])
    teacher.compile(backend=backend)
    teacher(images)
    assert len(parts) == 8 and min(parts[2:5]) > 10  # conv1, bn1; layers 1 to 3 whole; the blocks of layer 4; fc
