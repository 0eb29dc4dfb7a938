"""The parts of an experiment that follow from its settings: stages, blocks, paths."""

from __future__ import annotations

import dataclasses

import pytest
import toys
import torch
from running import make_setup

from nni_dna.errors import SpaceError, TeacherError

SCALED = {'name': 'toys.Scaled'}


class Longer(toys.Teacher):
    """With a second stage of the smaller resolution."""

    def __init__(self, num_classes=4):
        super().__init__(num_classes)
        self.stage3 = toys._conv(16, 16, 3, 1)

    def forward(self, x):
        return self.classifier(self.stage3(self.stage2(self.stage1(x))).mean((2, 3)))


class Deep(toys.Scaled):
    """With more layers at the end: 12 paths in each of two blocks, or 2 and 6 where the second can be cut."""

    def __init__(self, num_classes=4):
        super().__init__(num_classes)
        self.end = toys._layer('end', 8, 8, 1)

    def forward(self, x):
        return self.classifier(self.end(self.last(self.down(self.more(self.first(x))))).mean((2, 3)))


def test_stages_left_out_are_found_by_resolution(tmp_path):
    setup = make_setup(tmp_path / 'work', teacher={'stages': None})
    named = make_setup(tmp_path / 'work')
    assert setup.matching.stages == named.matching.stages == ('stage1', 'stage2')
    assert list(setup.matching.teacher_shapes) == list(named.matching.teacher_shapes) == [(8, 8, 8), (16, 4, 4)]
    assert setup.chain == named.chain


@pytest.mark.parametrize(['ends', 'modules', 'stages'], [
    (None, [('first', 'more'), ('down', 'last')], ('stage1', 'stage2')),
    (['more', 'last'], [('first', 'more'), ('down', 'last')], ('stage1', 'stage2')),
    (['first', 'last'], [('first',), ('more', 'down', 'last')], ('stage1', 'stage2')),
    (['last'], [('first', 'more', 'down', 'last')], ('stage2',)),
])
def test_blocks_end_where_the_user_says(tmp_path, ends, modules, stages):
    setup = make_setup(tmp_path / 'work', space={**SCALED, 'blocks': ends}, teacher={'stages': None})
    assert [block.modules for block in setup.chain.blocks] == modules
    assert setup.matching.stages == stages
    assert setup.chain.all_architectures == 72
    setup.check()


DEEP, LONGER = {'name': 'test_setup.Deep'}, {'name': 'test_setup.Longer', 'stages': None}


def test_a_stage_that_is_named_supervises_a_block_even_where_none_would_be_cut(tmp_path):
    found = make_setup(tmp_path / 'work', space=DEEP, teacher=LONGER)
    assert [block.modules for block in found.chain.blocks] == [('first', 'more'), ('down', 'last', 'end')]
    assert found.matching.stages == ('stage1', 'stage3')
    named = make_setup(tmp_path / 'work', space=DEEP, teacher={**LONGER, 'stages': ['stage1', 'stage2', 'stage3']})
    assert [block.modules for block in named.chain.blocks] == [('first', 'more'), ('down',), ('last', 'end')]
    assert named.matching.stages == ('stage1', 'stage2', 'stage3')
    named.check()


def test_too_many_paths_are_cut_where_the_teacher_has_stages_and_sampled_where_not(tmp_path):
    many = {'space': DEEP, 'rate': {'max_paths': 9}}
    sampled = make_setup(tmp_path / 'work', **many, teacher={'stages': None})
    assert [(block.paths, block.all_paths) for block in sampled.chain.blocks] == [(9, 12), (9, 12)]
    cut = make_setup(tmp_path / 'work', **many, teacher=LONGER)
    assert [(block.paths, block.all_paths) for block in cut.chain.blocks] == [(9, 12), (2, 2), (6, 6)]


def test_the_seed_decides_which_paths_are_rated(tmp_path):
    def rated(seed):
        chain = make_setup(tmp_path / 'work', seed=seed, space=SCALED, rate={'max_paths': 7}).chain
        return [cell.subset for block in chain.blocks for cell in block.cells]
    assert rated(0) == rated(0)
    assert len({tuple(map(str, rated(seed))) for seed in range(5)}) > 1


def test_paths_that_are_not_rated_are_warned_of(tmp_path, caplog):
    make_setup(tmp_path / 'work', space=SCALED).check()
    assert 'rate.max_paths' not in caplog.text
    make_setup(tmp_path / 'work', space=SCALED, rate={'max_paths': 7}).check()
    assert 'block1: 7 of its 12 paths are rated' in caplog.text and 'block2' not in caplog.text


def test_the_search_space_restricts_the_chain(tmp_path):
    setup = make_setup(tmp_path / 'work', {'width': {'_type': 'choice', '_value': [5]}}, space=SCALED)
    whole = make_setup(tmp_path / 'work', space=SCALED)
    kept = [cell for cell in whole.chain.blocks[0].cells if cell.choice['width'] == 5]
    assert [[cell.architecture(path) for path in range(cell.paths)] for cell in kept] == [
        [{'width': 5, **cell.architecture(path)} for path in range(cell.paths)] for cell in setup.chain.blocks[0].cells]


def test_a_teacher_without_feature_maps_in_a_chain_is_refused(tmp_path):
    setup = make_setup(tmp_path / 'work', teacher={'name': 'torch.nn.Flatten', 'stages': None})
    with pytest.raises(TeacherError, match='teacher.stages: no modules of Flatten'):
        setup.chain


def test_blocks_that_the_space_does_not_have_are_refused(tmp_path):
    setup = make_setup(tmp_path / 'work', space={**SCALED, 'blocks': ['more', 'lst']})
    with pytest.raises(SpaceError, match="space.blocks: no module 'lst' .*nearest known: last"):
        setup.chain


def test_a_space_that_computes_with_tensors_when_it_is_built_is_counted_all_the_same(tmp_path, monkeypatch):
    class Computes(toys.Scaled):
        def __init__(self, num_classes=4):
            super().__init__(num_classes)
            self.half = float(torch.tensor(0.5))  # not on the meta device
    monkeypatch.setattr(toys, 'Computes', Computes, raising=False)
    plain = make_setup(tmp_path / 'work', space=SCALED)
    setup = make_setup(tmp_path / 'work', space={'name': 'toys.Computes'})
    assert setup.chain == plain.chain
    assert dataclasses.asdict(setup.shapes) == dataclasses.asdict(plain.shapes)
