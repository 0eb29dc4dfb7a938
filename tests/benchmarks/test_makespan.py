"""The simulation of the makespan: against every schedule, and what its numbers must be where they are known."""

import itertools
import sys
from pathlib import Path

import numpy as np
import pytest

sys.path.append(str(Path(__file__).parent.parent.parent / 'benchmarks'))

import makespan as simulation  # noqa: E402
from makespan import GPUS, START, WAYS, Campaign, bound, makespan  # noqa: E402
from nni_dna.distill.loads import Loads  # noqa: E402


def campaign(seed=0, blocks=3, cells=2, **changes):
    rng = np.random.default_rng(seed)
    keys = [(block, cell) for block in range(blocks) for cell in range(cells)]
    return Campaign(**{
        'loads': Loads(teacher=np.cumsum(rng.random(blocks)).tolist(), supernets=dict(zip(keys, rng.random(len(keys)).tolist()))),
        'rating': dict(zip(keys, rng.random(len(keys)).tolist())), 'training': 1000, 'held_out': 100, **changes})


def every_schedule(tasks, gpus):
    """The shortest makespan of all ways to deal tasks to GPUs."""
    return min(max(sum(task for task, place in zip(tasks, places) if place == gpu) for gpu in range(gpus))
               for places in itertools.product(range(gpus), repeat=len(tasks)))


@pytest.mark.parametrize('seed', range(5))
@pytest.mark.parametrize('gpus', [1, 2, 3])
def test_no_schedule_beats_the_bound_and_the_queue_is_within_grahams_factor_of_the_best(seed, gpus):
    tasks = np.random.default_rng(seed).random(6).tolist()
    best = every_schedule(tasks, gpus)
    assert bound(tasks, gpus) <= best + 1e-12
    assert best - 1e-12 <= makespan(tasks, gpus) <= (2 - 1 / gpus) * best + 1e-12


def test_tasks_go_in_their_order_to_the_gpu_that_is_free_first():
    assert makespan([3, 1, 1, 4], 2) == 6  # 3 | 1 1 4


def test_a_task_takes_its_start_its_steps_and_the_rating_of_its_own_supernets():
    given = campaign(loads=Loads(teacher=[1, 10], supernets={(0, 0): 2, (1, 0): 3}), rating={(0, 0): 5, (1, 0): 7})
    assert given.seconds([(0, 0)]) == START + 1000 * (1 + 2) + 100 * (1 + 5)
    assert given.seconds([(0, 0), (1, 0)]) == START + 1000 * (10 + 2 + 3) + 100 * (10 + 5 + 7)


@pytest.mark.parametrize('way', [*WAYS, simulation.COUNTED])
@pytest.mark.parametrize('gpus', [1, 2, 5, 64])
def test_every_way_does_each_supernet_once_and_none_beats_the_least(way, gpus):
    given = campaign()
    assert sorted(itertools.chain(*given.groups(way, gpus))) == sorted(given.loads.supernets)
    assert makespan(given.tasks(way, gpus), gpus) >= given.least(gpus) - 1e-9


def test_one_gpu_and_one_task_is_the_joint_task_and_many_gpus_are_a_cell_each():
    given = campaign()
    assert given.tasks('N = GPUs', 1) == given.tasks('joint', 1)
    assert given.tasks('N = GPUs', 64) == given.tasks('cell', 64)
    assert makespan(given.tasks('cell', 64), 64) == max(given.tasks('cell', 64))


def test_the_stored_measurement_is_of_the_16_cells_of_the_papers_space():
    given = simulation.read('b7', epochs=20, images=1_231_167, held_out=50_000)
    assert len(given.loads.supernets) == 16 and len(given.loads.teacher) == 6
    assert list(given.loads.teacher) == sorted(given.loads.teacher)
    for gpus in GPUS:  # as many tasks as GPUs is never longer than any other way
        times = {way: makespan(given.tasks(way, gpus), gpus) for way in WAYS}
        assert times['N = GPUs'] <= 1.001 * min(times.values())
