"""Supernets shared among trials by what they take, compared with every way to share them."""

import itertools

import numpy as np
import pytest
import toys
import torch

from nni_dna.distill.loads import Loads, balanced, measure_loads


def random_loads(seed, supernets=(2, 1, 3)):
    random = np.random.default_rng(seed)
    teacher = np.cumsum(random.uniform(0, 1, len(supernets)))
    keys = [(block, number) for block, count in enumerate(supernets) for number in range(count)]
    return Loads(teacher=teacher.tolist(), supernets=dict(zip(keys, random.uniform(0.1, 2, len(keys)).tolist())))


def shortest(loads, count):
    """The least makespan of all ways to share the supernets."""
    keys = sorted(loads.supernets)
    return min(max(loads.of(group) for group in groups)
               for places in itertools.product(range(count), repeat=len(keys))
               if all(groups := [[key for key, place in zip(keys, places) if place == number] for number in range(count)]))


@pytest.mark.parametrize('count', [1, 2, 3, 4])
def test_the_longest_trial_is_at_most_a_third_longer_than_the_best_sharing_allows(count):
    ratios = []
    for seed in range(30):
        loads = random_loads(seed)
        ratios.append(max(loads.of(group) for group in balanced(loads, count)) / shortest(loads, count))
    assert 1 <= max(ratios) <= 4 / 3
    assert np.mean(ratios) < 1.07


@pytest.mark.parametrize('count', [1, 3, 6, 9])
def test_every_supernet_is_in_one_trial_and_no_trial_is_empty(count):
    loads = random_loads(0)
    groups = balanced(loads, count)
    assert len(groups) == min(count, 6) and all(groups)
    assert sorted(key for group in groups for key in group) == sorted(loads.supernets)


def test_a_trial_takes_the_teacher_up_to_its_last_block_and_its_supernets():
    loads = Loads(teacher=[1, 3], supernets={(0, 0): 10, (0, 1): 20, (1, 0): 40})
    assert loads.of([(0, 0), (0, 1)]) == 31 and loads.of([(0, 0), (1, 0)]) == 53


def test_measuring_times_every_stage_and_supernet_and_leaves_no_gradients():
    teacher = toys.staged_teacher()
    supernets = toys.supernets(teacher)
    loads = measure_loads(teacher, supernets, torch.zeros(4, 3, 16, 16))
    assert len(loads.teacher) == 2 and loads.supernets.keys() == supernets.keys()
    assert min([*loads.teacher, *loads.supernets.values()]) > 0
    assert all(weight.grad is None for supernet in supernets.values() for weight in supernet.parameters())
