"""The model spaces of NNI's hub: those that are chains against torchvision teachers, and those that are none."""

import functools
import itertools
import math

import pytest
import torch
from torch import nn
from nni.nas.hub import pytorch as hub

from made import (layer_options, listed, mobilenet, on_meta, proxyless, random_paths, read, short_mobilenet, shuffle,
                  teacher_stages)
from nni_dna.cost import cost_tables, count
from nni_dna.errors import NniDnaError, SpaceError
from nni_dna.spaces import build_space, chain_of, to_definition

SIZE = 64
INSTEAD = 'nni.nas.strategy.DARTS, ENAS or RegularizedEvolution'


@functools.cache
def stages(teacher):
    return teacher_stages(teacher, SIZE)


@functools.cache
def space(name):
    makes = {'proxyless': proxyless, 'shuffle': shuffle, 'shuffle widths': lambda: shuffle(channel_search=True),
             'mobilenet': mobilenet, 'mobilenet widths': short_mobilenet}
    return on_meta(makes[name])


def cut(name, teacher, **options):
    return chain_of(space(name), (3, SIZE, SIZE), stages=stages(teacher), chosen_stages=False, **options)


def block_names(chain):
    return [(block.modules[0], block.modules[-1]) for block in chain.blocks]


PROXYLESS_STAGE = 6 + 6**2 + 6**3 + 6**4


@pytest.mark.parametrize('teacher, names', [
    ('efficientnet_b0', 'features.2 features.3 features.4 features.5 features.7'),
    ('mobilenet_v3_large', 'features.3 features.6 features.9 features.12 features.15'),
])
def test_proxylessnas_is_cut_at_its_stages(teacher, names):
    chain, found = cut('proxyless', teacher)
    assert block_names(chain) == [('blocks.1', 'blocks.1'), ('blocks.2', 'blocks.2'), ('blocks.3', 'blocks.3'),
                                  ('blocks.4', 'blocks.4'), ('blocks.5', 'blocks.6')]
    assert list(found) == names.split()
    assert chain.stem == ('stem', 'blocks.0')
    assert [block.all_paths for block in chain.blocks] == [PROXYLESS_STAGE] * 4 + [6 * PROXYLESS_STAGE]


def test_stages_of_one_size_are_one_block_where_the_teacher_has_one_stage_of_that_size():
    chain, names = cut('proxyless', 'resnet18')
    assert block_names(chain) == [('blocks.1', 'blocks.1'), ('blocks.2', 'blocks.2'), ('blocks.3', 'blocks.4'),
                                  ('blocks.5', 'blocks.6')]
    assert names == ('layer1', 'layer2', 'layer3', 'layer4')
    third = chain.blocks[2]
    assert (len(third.cells), third.all_paths, third.paths) == (16, PROXYLESS_STAGE**2, 20_000)
    assert chain.all_architectures == PROXYLESS_STAGE**5 * 6


def test_proxylessnas_has_a_cell_for_each_depth_and_six_operations_in_each_layer():
    chain, _ = cut('proxyless', 'efficientnet_b0')
    block = chain.blocks[1]
    assert [(cell.name, dict(cell.choice), len(cell.layers)) for cell in block.cells] == [
        (f's3_depth={depth}', {'s3_depth': depth}, depth) for depth in (1, 2, 3, 4)]
    operations = [f'k{kernel}e{expansion}' for expansion, kernel in itertools.product((3, 6), (3, 5, 7))]
    assert layer_options(block.cells[1]) == [[{f's3_i{index}': operation} for operation in operations] for index in (0, 1)]
    assert all(block.supernets == ('only',) and block.handed_on == () for block in chain.blocks)


def test_the_architectures_of_proxylessnas_are_as_many_as_its_labels_reach():
    assert read(space('proxyless'), SIZE, max_paths=10**9).architectures == PROXYLESS_STAGE**5 * 6


def test_shufflenet_is_cut_where_its_resolution_changes_and_halfway_where_the_teacher_has_two_stages():
    chain, names = cut('shuffle', 'efficientnet_b0', max_paths=1000)
    assert block_names(chain) == [('features.0', 'features.3'), ('features.4', 'features.7'), ('features.8', 'features.11'),
                                  ('features.12', 'features.15'), ('features.16', 'features.19')]
    assert names == ('features.2', 'features.3', 'features.4', 'features.5', 'features.7')
    assert chain.stem == ('first_conv',)
    assert chain.architectures == 4**20
    assert all(cell.name == 'only' for block in chain.blocks for cell in block.cells)


def test_the_channels_of_shufflenet_are_options_of_their_own_layer():
    chain, _ = cut('shuffle widths', 'mobilenet_v3_large')
    assert chain.all_architectures == (4 * 8)**20
    for number, layer in enumerate(itertools.chain(*(block.cells[0].layers for block in chain.blocks)), start=1):
        assert len(layer.options) == 32
        assert all(option.keys() == {f'layer_{number}', f'channel_{number}'} for option in layer.options)


def test_mobilenetv3_has_its_stem_in_the_first_block_since_that_has_a_choice():
    chain, names = cut('mobilenet', 'efficientnet_b0', max_paths=1000)
    assert chain.stem == ()
    assert block_names(chain) == [('stem', 'blocks.0'), *((f'blocks.{index}',) * 2 for index in range(1, 6))]
    assert names == ('features.1', 'features.2', 'features.3', 'features.4', 'features.5', 'features.7')
    layer, optional = 2 * 3, 2 * 3 * 2  # expansions, kernels, and whether to squeeze
    assert [block.all_paths for block in chain.blocks] == [
        2 * 3, *(number + number**2 for number in (layer, optional, layer, optional, optional))]


def test_the_widths_of_mobilenetv3_are_cells_and_what_each_block_hands_on():
    chain, names = cut('mobilenet widths', 'resnet18')
    assert block_names(chain) == [('stem', 'blocks.0'), ('blocks.1', 'blocks.1'), ('blocks.2', 'blocks.3'),
                                  ('blocks.4', 'blocks.5')]
    assert names == ('relu', 'layer1', 'layer2', 'avgpool')
    assert [block.handed_on for block in chain.blocks] == [(f's{index}_width_mult',) for index in (0, 1, 3, 4)]
    assert [dict(block.incoming) for block in chain.blocks[1:]] == [{f's{index}_width_mult': 1.0} for index in (0, 1, 3)]
    assert [dict(cell.choice) for cell in chain.blocks[1].cells] == [
        {'s1_depth': depth, 's1_width_mult': multiplier} for depth in (1, 2) for multiplier in (0.5, 1.0)]
    assert [block.supernets for block in chain.blocks] == [('only',)] * 4


def test_what_a_search_space_leaves_to_the_head_of_mobilenetv3_decides_whether_the_head_is_a_block():
    one = listed(s3_width_mult=[1.0], s4_width_mult=[0.5])
    chain, names = cut('mobilenet widths', 'resnet18', definition=one)
    assert names == ('relu', 'layer1', 'layer2')
    assert chain.blocks[-1].handed_on == ('s2_width_mult',)
    assert chain.fixed == {'s3_width_mult': 1.0, 's4_width_mult': 0.5}
    with pytest.raises(NniDnaError, match=r"no stage gives what module 'blocks.5' .*which has a choice to make \(1x1 pixels\)"):
        chain_of(space('mobilenet widths'), (3, SIZE, SIZE), stages=stages('resnet18')[:-1], chosen_stages=False)


@pytest.mark.parametrize('name, teacher, max_paths', [
    ('proxyless', 'resnet18', 500), ('shuffle', 'efficientnet_b0', 20_000), ('shuffle widths', 'resnet18', 500),
    ('mobilenet', 'mobilenet_v3_large', 20_000), ('mobilenet widths', 'resnet18', 20_000),
    ('mobilenet widths', 'efficientnet_b0', 50)])
@pytest.mark.slow
def test_the_cost_of_random_architectures_is_that_of_the_network_that_nni_freezes(name, teacher, max_paths):
    chain, _ = cut(name, teacher, max_paths=max_paths)
    tables = cost_tables(space(name), chain, (3, SIZE, SIZE))
    for paths in random_paths(chain, 6):
        with torch.device('meta'):
            network = space(name).freeze(chain.architecture(paths))
        assert tables.total(chain, paths) == count(network, (3, SIZE, SIZE))[0]


def test_every_combination_of_widths_costs_what_the_network_that_nni_freezes_costs():
    chain, _ = cut('mobilenet widths', 'resnet18', definition=listed(
        stem_ks=[3], s0_i0_ks=[3], s1_depth=[1], s2_depth=[1], s1_i0_ks=[5], s1_i0_exp=[3.], s1_i0_se=['se'], s2_i0_ks=[3],
        s2_i0_exp=[1.]))
    tables = cost_tables(space('mobilenet widths'), chain, (3, SIZE, SIZE))
    assert chain.architectures == 2**5
    for paths in itertools.product(*(range(block.paths) for block in chain.blocks)):
        with torch.device('meta'):
            network = space('mobilenet widths').freeze(chain.architecture(paths))
        assert tables.total(chain, paths) == count(network, (3, SIZE, SIZE))[0]


@pytest.mark.parametrize('load, params, madds', [
    (lambda: hub.MobileNetV3Space.load_searched_model('mobilenetv3-large-100'), 5.5, 217),
    (lambda: hub.ProxylessNAS.load_searched_model('proxyless-mobile'), 4.1, 320),
], ids=['MobileNetV3-Large', 'ProxylessNAS-Mobile'])
def test_a_network_of_a_hub_space_costs_what_its_authors_publish(load, params, madds):
    with torch.device('meta'):
        cost = count(load(), (3, 224, 224))[0]
    assert (round(cost.params / 1e6, 1), round(cost.madds / 1e6)) == (params, madds)


@pytest.mark.parametrize('make, size', [
    (lambda: hub.NASNet(width=8, num_cells=3, dataset='cifar'), 32),
    (lambda: hub.NASNet(width=8, num_cells=3, dataset='imagenet'), 64),
    (lambda: hub.ENAS(width=8, num_cells=3, dataset='cifar'), 32),
    (lambda: hub.AmoebaNet(width=8, num_cells=3, dataset='cifar'), 32),
    (lambda: hub.PNAS(width=8, num_cells=3, dataset='cifar'), 32),
    (lambda: hub.DARTS(width=8, num_cells=3, dataset='cifar'), 32),
    (lambda: hub.NasBench101(num_stacks=2, num_modules_per_stack=1), 32),
], ids=['NASNet', 'NASNet for ImageNet', 'ENAS', 'AmoebaNet', 'PNAS', 'DARTS', 'NasBench101'])
def test_a_space_that_wires_nodes_freely_is_refused_with_what_to_use_instead(make, size):
    with pytest.raises(SpaceError, match=f'expected a choice of one among listed values.*no chains of layers: .*{INSTEAD}'):
        chain_of(on_meta(make), (3, size, size), stages=[('s', (size, size))], chosen_stages=False)


@pytest.mark.parametrize('modules', [1, 2])
@pytest.mark.parametrize('sizes', [(32, 16, 8), (8,), (32, 32, 16, 16, 8, 8)])
def test_nasbench201_is_refused_since_its_cells_are_the_same_in_all_stages(modules, sizes):
    nasbench = on_meta(lambda: hub.NasBench201(num_modules_per_stack=modules))
    given = [(f's{index}', (size, size)) for index, size in enumerate(sizes)]
    with pytest.raises(SpaceError, match=f'NasBench201 and its kind.*{INSTEAD}'):
        chain_of(nasbench, (3, 32, 32), stages=given, chosen_stages=False)


def test_autoformer_is_refused_since_its_tokens_are_no_chain_of_modules():
    former = on_meta(lambda: hub.AutoFormer(search_embed_dim=(96,), search_mlp_ratio=(3., 4.), search_num_heads=(3,),
                                            search_depth=(1, 2)))
    with pytest.raises(SpaceError, match=f'stop running one after another behind .patch_embed.; .*{INSTEAD}'):
        chain_of(former, (3, 224, 224), stages=[('s', (14, 14))], chosen_stages=False)


@pytest.mark.slow
@pytest.mark.parametrize('name', ['proxylessnas', 'mobilenetv3', 'shufflenet'])
def test_the_hub_spaces_with_a_short_name_are_chains_for_their_usual_teacher(name):
    whole = on_meta(lambda: build_space(name, {}, num_classes=7))
    chain, names = chain_of(whole, (3, 224, 224), stages=[(stage, tuple(7 * size // 2 for size in sizes))
                                                          if sizes != (1, 1) else (stage, sizes)
                                                          for stage, sizes in stages('efficientnet_b0')], chosen_stages=False)
    assert len(chain.blocks) == len(names) >= 5
    assert all(block.paths <= 20_000 for block in chain.blocks)
    labels = to_definition(whole)
    assert chain.architecture(tuple(block.paths - 1 for block in chain.blocks)).keys() <= labels.keys()
    assert [part for part in whole.modules() if isinstance(part, nn.Linear)][-1].out_features == 7
    assert math.prod(len(spec['_value']) for spec in labels.values()) >= chain.all_architectures
