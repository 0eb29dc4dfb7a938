"""Campaigns whose cells share supernets: their tasks, ratings and winners."""

from __future__ import annotations

import json

import numpy as np
import toys
import torch
from nni.nas.nn.pytorch import LayerChoice, ModelSpace, MutableLinear, Repeat
from torch import nn
from running import SCALED, make_setup, open_campaign, rating_tables, run_in_process
from work_files import ranking, ranking_file

import nni_dna

KERNELS = ('k1', 'k3')


class Mixed(ModelSpace):
    """One block whose cells take turns between two supernets: a depth, and then one of two chains."""

    def __init__(self, num_classes=4):
        super().__init__()
        self.first = toys._layer('first', 3, 4, 4)
        self.more = Repeat(lambda index: toys._layer(f'more{index}', 4, 4, 1), (0, 1), label='more')
        self.last = LayerChoice({name: nn.Sequential(toys._layer(name, 4, 4, 1)) for name in 'xy'}, label='cell')
        self.classifier = MutableLinear(4, num_classes)

    def forward(self, x):
        return self.classifier(self.last(self.more(self.first(x))).mean((2, 3)))


def test_the_ranking_of_shared_supernets_is_what_brute_force_over_their_tables_finds(scaled):
    tables = rating_tables(scaled)
    assert {name: len(table) for name, table in tables.items()} == {
        'distill/block1/only/ratings.npz': 12, 'distill/block2/only/ratings.npz': 6}
    first = [{'more': more, 'width': width, 'first': one, **other} for more in (0, 1) for width in (3, 5) for one in KERNELS
             for other in ([{'more0': kernel} for kernel in KERNELS] if more else [{}])]
    second = [{'last': last, 'down': one, **other} for last in (0, 1) for one in KERNELS
              for other in ([{'last0': kernel} for kernel in KERNELS] if last else [{}])]
    best = sorted(((a + b, {**one, **other}) for a, one in zip(tables['distill/block1/only/ratings.npz'], first)
                   for b, other in zip(tables['distill/block2/only/ratings.npz'], second)), key=lambda pair: pair[0])
    assert len(best) == 72
    assert [(entry['rating'], entry['architecture']) for entry in ranking(scaled)] == best[:2]
    for entry in ranking(scaled):
        network = toys.Scaled().freeze(entry['architecture'])  # by NNI
        assert entry['params'] == sum(weight.numel() for weight in network.parameters())


def test_a_winner_of_shared_supernets_loads_and_runs_as_it_was_ranked(scaled):
    for entry in ranking(scaled):
        network = nni_dna.load(scaled, rank=entry['rank']).eval()
        images = torch.rand(2, 3, 16, 16)
        plain = toys.Scaled().freeze(entry['architecture']).eval()
        plain.load_state_dict(network.state_dict())
        assert torch.equal(network(images), plain(images))


def test_cells_that_take_turns_between_supernets_get_their_own_ratings(tmp_path):
    work = run_in_process(tmp_path / 'work', space={'name': 'test_shared_supernets.Mixed'}, teacher={'stages': ['stage2']},
                          search={'top_k': 24}, retrain={'epochs': 1})
    tables = rating_tables(work)
    assert {name: len(table) for name, table in tables.items()} == {
        f'distill/block1/{name}/ratings.npz': 12 for name in 'xy'}
    expected = []
    for name in 'xy':
        architectures = [{'more': more, 'cell': name, 'first': one, **other, name: last} for more in (0, 1) for one in KERNELS
                         for other in ([{'more0': kernel} for kernel in KERNELS] if more else [{}]) for last in KERNELS]
        expected += zip(tables[f'distill/block1/{name}/ratings.npz'], architectures)
    expected.sort(key=lambda pair: pair[0])
    assert [(entry['rating'], entry['architecture']) for entry in ranking(work)] == expected


def test_depths_and_widths_are_cells_of_one_task_a_block(tmp_path):
    campaign = open_campaign(tmp_path / 'work', **SCALED)
    assert [task.id for task in campaign.tasks()] == ['teacher/train', 'distill/block1/only', 'distill/block2/only']


def test_two_runs_over_shared_supernets_give_equal_ratings_winners_and_accuracies(scaled, tmp_path):
    again = run_in_process(tmp_path / 'work', **SCALED, teacher={'stages': None})
    assert ranking_file(again) == ranking_file(scaled)
    for name, table in rating_tables(scaled).items():
        np.testing.assert_array_equal(rating_tables(again)[name], table)
    losses = [json.loads((work / 'distill/block1/only/result.json').read_text())['details'] for work in (scaled, again)]
    assert losses[0] == losses[1]


def test_stages_that_are_found_give_what_the_same_stages_named_give(scaled, tmp_path):
    named = run_in_process(tmp_path / 'work', **SCALED)
    assert ranking_file(named) == ranking_file(scaled)


def test_shared_supernets_in_one_task_rate_as_each_in_its_own(scaled, tmp_path):
    joint = rating_tables(run_in_process(tmp_path / 'joint', **SCALED, distill={'tasks': 'joint'}))
    assert joint.keys() == rating_tables(scaled).keys()
    for name, table in rating_tables(scaled).items():
        np.testing.assert_allclose(joint[name], table, rtol=1e-6)


def test_the_ranking_file_says_how_many_paths_there_are_and_all_are_rated(finished, scaled):
    assert ranking_file(finished)['architectures_in_space'] == 24
    assert ranking_file(finished)['paths'] == {'block1': {'rated': 6, 'of': 6}, 'block2': {'rated': 4, 'of': 4}}
    assert ranking_file(scaled)['architectures_in_space'] == 72
    assert ranking_file(scaled)['paths'] == {'block1': {'rated': 12, 'of': 12}, 'block2': {'rated': 6, 'of': 6}}


def test_of_too_many_paths_a_sample_is_rated_as_if_all_were_and_ranked_alone(scaled, tmp_path, caplog):
    part = run_in_process(tmp_path / 'work', **SCALED, rate={'max_paths': 5})
    assert ranking_file(part)['architectures_in_space'] == 72
    assert ranking_file(part)['paths'] == {'block1': {'rated': 5, 'of': 12}, 'block2': {'rated': 5, 'of': 6}}
    assert 'block1: 5 of its 12 paths are rated, chosen at random (rate.max_paths)' in caplog.text
    blocks = make_setup(part, **SCALED, rate={'max_paths': 5}).chain.blocks
    rated = []
    for block, full in zip(blocks, make_setup(scaled, **SCALED).chain.blocks):
        name = f'distill/{block.name}/only/ratings.npz'
        numbers, before = [], 0
        for cell in full.cells:
            kept = next(other for other in block.cells if other.name == cell.name)
            numbers += [before + path for path in (range(cell.paths) if kept.subset is None else kept.subset)]
            before += cell.paths
        np.testing.assert_array_equal(rating_tables(part)[name], rating_tables(scaled)[name][numbers])
        rated.append(rating_tables(part)[name])
    best = sorted(a + b for a in rated[0] for b in rated[1])
    assert [entry['rating'] for entry in ranking(part)] == best[:2]
