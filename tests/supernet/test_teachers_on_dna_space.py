"""Which stages of the usual teachers supervise the paper's space at 224 pixels, without memory for any weights."""

import pytest
import timm
import torch
from torchvision import models

from made import on_meta
from nni_dna.errors import TeacherError
from nni_dna.settings.presets import PRESETS
from nni_dna.spaces import build_space
from nni_dna.supernet import match
from nni_dna.teacher import StagedTeacher, find_stages

SHAPE = (3, 224, 224)
SIZES = [56, 28, 14, 14, 7, 7]

# Of blocks 3 to 8 of the networks' own tables.
EFFICIENTNETS = {
    'b0': [24, 40, 80, 112, 192, 320], 'b1': [24, 40, 80, 112, 192, 320], 'b2': [24, 48, 88, 120, 208, 352],
    'b3': [32, 48, 96, 136, 232, 384], 'b4': [32, 56, 112, 160, 272, 448], 'b5': [40, 64, 128, 176, 304, 512],
    'b6': [40, 72, 144, 200, 344, 576], 'b7': [48, 80, 160, 224, 384, 640]}

TEACHERS = {
    'resnet50': 'layer1 layer2 layer3.2 layer3 layer4.1 layer4',
    'mobilenet_v2': 'features.3 features.6 features.10 features.13 features.15 features.17',
    'mobilenet_v3_large': 'features.3 features.6 features.9 features.12 features.14 features.15',
    'regnet_x_400mf': 'trunk_output.block1 trunk_output.block2 trunk_output.block3.block3-3 trunk_output.block3 '
                      'trunk_output.block4.block4-5 trunk_output.block4',
    'convnext_tiny': 'features.1 features.3 features.5.4 features.5 features.7.1 features.7',
    'swin_t': 'features.1 features.3 features.5.2 features.5 features.7.0 features.7',
    'timm:efficientnet_b0': 'blocks.1 blocks.2 blocks.3 blocks.4 blocks.5 blocks.6',
    'timm:mobilenetv3_large_100': 'blocks.1 blocks.2 blocks.3 blocks.4 blocks.5.1 blocks.5',
    'timm:convnext_atto': 'stages.0 stages.1 stages.2.blocks.2 stages.2 stages.3.blocks.0 stages.3',
    'timm:swin_tiny_patch4_window7_224': 'layers.0 layers.1 layers.2.blocks.2 layers.2 layers.3.blocks.0 layers.3',
}


@pytest.fixture(scope='module')
def space():
    return on_meta(lambda: build_space('dna', {}, 1000))


def network(name):
    if name.startswith('timm:'):
        return on_meta(lambda: timm.create_model(name.removeprefix('timm:')))
    return on_meta(lambda: models.get_model(name))


def matched(space, name, **options):
    teacher = network(name)
    with torch.device('meta'):
        return match(space, teacher, SHAPE, **options)


@pytest.mark.parametrize('name', EFFICIENTNETS)
def test_the_stages_of_the_efficientnets_are_those_before_the_head_with_their_published_widths(name):
    teacher = network(f'efficientnet_{name}')
    with torch.device('meta'):
        found = [stage for stage in find_stages(teacher, SHAPE) if stage != 'avgpool']
        maps = StagedTeacher(teacher, found)(torch.zeros(1, *SHAPE))
    assert found == [f'features.{index}' for index in range(8)]
    assert [feature_map.shape[1] for feature_map in maps][2:] == EFFICIENTNETS[name]


def test_the_stages_that_are_found_in_the_papers_teacher_are_the_papers_and_the_presets(space):
    preset = PRESETS['imagenet']()['teacher']
    found, named = matched(space, preset['name']), matched(space, preset['name'], stages=preset['stages'])
    assert found == named and list(found.stages) == preset['stages']
    assert found.teacher_shapes == tuple((width, size, size) for width, size in zip(EFFICIENTNETS['b7'], SIZES))
    assert [block.all_paths for block in found.chain.blocks] == [288, 1548, 1548, 2808, 16848, 6]


@pytest.mark.parametrize('name', TEACHERS)
def test_a_teacher_with_few_stages_of_a_resolution_serves_with_parts_of_them(space, name):
    found = matched(space, name)
    assert ' '.join(found.stages) == TEACHERS[name]
    assert [shape[1:] for shape in found.teacher_shapes] == [(size, size) for size in SIZES]


def test_stages_that_are_named_are_taken_as_they_are(space):
    named = ['layer1.1', 'layer2', 'layer3.1', 'layer3.4', 'layer4.0', 'layer4.2.relu']
    assert matched(space, 'resnet50', stages=named).stages == tuple(named)
    with pytest.raises(TeacherError, match='expected one stage for each of the 6 blocks of the space, got 5'):
        matched(space, 'resnet50', stages=named[:-1])


def test_a_teacher_with_a_single_layer_of_a_resolution_is_refused_and_serves_where_blocks_are_joined(space):
    with pytest.raises(TeacherError, match=r'expected a stage of 7x7 pixels for each of 2 blocks that give this, got 1; join '
                                           r'blocks \(space.blocks\)'):
        matched(space, 'regnet_y_3_2gf')
    found = matched(space, 'regnet_y_3_2gf', ends=['blocks.0', 'blocks.1', 'blocks.2', 'blocks.3', 'blocks.5'])
    assert found.stages[-1] == 'trunk_output.block4' and len(found.stages) == 5


@pytest.mark.parametrize('name, stage', [
    ('vit_b_16', 'conv_proj: 14x14'), ('timm:vit_tiny_patch16_224', 'patch_embed: 14x14')])
def test_a_vision_transformer_has_one_resolution_so_the_papers_space_is_refused(space, name, stage):
    with pytest.raises(TeacherError, match=f'expected a stage of 56x56 pixels .*, got 0; .*another teacher. Stages: {stage}$'):
        matched(space, name)
