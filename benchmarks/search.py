"""How long does the exact search take over the paper's whole space (1.96e17 architectures), beside HiGHS?

The real parameters and multiply-adds of `dna`, and two kinds of made ratings: uniformly random, and such that follow the
multiply-adds but for some noise. Each search is timed once for each seed; HiGHS (SciPy's `milp`) gets the instance of the first
seed, as it is. Prints a table and writes it as JSON.

    python benchmarks/search.py --seeds 0 1 2 3 4 --time-limit 60
"""

from __future__ import annotations

import argparse
import json
import platform
import resource
import statistics
import subprocess
import sys
import time
from pathlib import Path
from typing import Any, Callable

import numpy as np

from nni_dna.search import BlockTable, Solution, pareto_front, search

COSTS = Path(__file__).parent / 'data' / 'dna_costs.npz'
PARAMS, MADDS = 0, 1
GIB = 2 ** 20  # resource counts in KiB


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument('--seeds', type=int, nargs='+', default=[0, 1, 2, 3, 4])
    parser.add_argument('--max-params', type=float, default=4.2e6)
    parser.add_argument('--max-madds', type=float, default=350e6)
    parser.add_argument('--noise', type=float, default=0.3, help='of ratings that follow the multiply-adds, over their spread')
    parser.add_argument('--time-limit', type=float, default=60, help='seconds for each program of HiGHS; 0 leaves it out')
    parser.add_argument('--out', type=Path, help='JSON file of the results')
    arguments = parser.parse_args()
    costs, borders, rest = read_costs()
    one, two = [np.inf, arguments.max_madds], [arguments.max_params, arguments.max_madds]
    tasks: dict[str, tuple[list[float], Callable[[list[BlockTable]], tuple[Solution, ...]]]] = {
        'best, one limit': (one, lambda tables: search(tables, limits=one, tail_costs=rest).solutions),
        'best, two limits': (two, lambda tables: search(tables, limits=two, tail_costs=rest).solutions),
        'best 100, one limit': (one, lambda tables: search(tables, limits=one, top_k=100, tail_costs=rest).solutions),
        'best 100, two limits': (two, lambda tables: search(tables, limits=two, top_k=100, tail_costs=rest).solutions),
        'front by madds': ([np.inf] * 2, lambda tables: pareto_front(tables, cost=MADDS, limits=[np.inf] * 2,
                                                                     tail_costs=rest).points),
        'front by params': ([np.inf] * 2, lambda tables: pareto_front(tables, cost=PARAMS, limits=[np.inf] * 2,
                                                                      tail_costs=rest).points),
        'front by params, madds limited': (one, lambda tables: pareto_front(tables, cost=PARAMS, limits=one,
                                                                            tail_costs=rest).points),
        'front by madds, params limited': ([two[0], np.inf], lambda tables: pareto_front(
            tables, cost=MADDS, limits=[two[0], np.inf], tail_costs=rest).points),
    }
    before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    rows, instances = [], []
    for kind, noise in (('random', None), ('by size', arguments.noise)):
        made = [make_tables(costs, borders, seed, noise) for seed in arguments.seeds]
        for name, (limits, run) in tasks.items():
            timed = [timing(run, tables) for tables in made]
            rows.append({'ratings': kind, 'task': name, 'seconds': [seconds for seconds, _ in timed],
                         'solutions': [len(found) for _, found in timed]})
            instances.append((made[0], limits, name, timed[0][1]))
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    print(f'peak memory {peak / GIB:.2f} GiB, {before / GIB:.2f} GiB of it before the first search', flush=True)
    print(f'{"ratings":9}{"task":32}{"ms: mean":>9}{"max":>7}{"found":>7}  HiGHS')
    for row, (tables, limits, name, found) in zip(rows, instances):
        if arguments.time_limit:
            row['highs'] = beside_highs(tables, rest, limits, name, found, arguments.time_limit)
        print(line(row), flush=True)
    if arguments.out:
        result = {'command': ' '.join(['python', *sys.argv]), 'python': platform.python_version(), 'numpy': np.__version__,
                  'peak_gib': peak / GIB, 'before_gib': before / GIB, 'rows': rows}
        arguments.out.write_text(json.dumps(result, indent=2) + '\n')


def read_costs() -> tuple[list[np.ndarray], list[np.ndarray], np.ndarray]:
    """Costs (borders before, paths, 2) and borders (paths,) of each block, and costs (1, 2) of the rest; counted only once."""
    if not COSTS.exists():
        count_costs()
    with np.load(COSTS, allow_pickle=False) as stored:
        blocks = range(sum(name.startswith('costs') for name in stored))
        return ([stored[f'costs{block}'].astype(np.float64) for block in blocks],
                [stored[f'borders{block}'].astype(np.int64) for block in blocks], stored['rest'].astype(np.float64))


def count_costs() -> None:
    """Count the costs of all paths of the space at 224 pixels; a process of its own, since PyTorch takes memory."""
    code = '''
import sys
import numpy as np
from nni_dna.cost import cost_tables
from nni_dna.spaces import build_space, chain_of
from nni_dna.spaces.build import without_memory
from nni_dna.spaces.units import units_of

shape = (3, 224, 224)
space = without_memory(lambda: build_space('dna', {}, num_classes=1000))
stages = [(unit.name, unit.size) for unit in units_of(space, shape) if unit.size]
chain, _ = chain_of(space, shape, stages=stages, chosen_stages=False)
costs = cost_tables(space, chain, shape)
arrays = {'rest': costs.rest}
for number, (block, table) in enumerate(zip(chain.blocks, costs.blocks)):
    arrays[f'costs{number}'] = table
    arrays[f'borders{number}'] = np.repeat(block.cell_borders, [cell.paths for cell in block.cells])
np.savez_compressed(sys.argv[1], **arrays)
'''
    subprocess.run([sys.executable, '-W', 'ignore', '-c', code, str(COSTS)], check=True)


def make_tables(costs: list[np.ndarray], borders: list[np.ndarray], seed: int, noise: float | None) -> list[BlockTable]:
    """Ratings that are uniformly random, or fall with the logarithm of the multiply-adds but for noise."""
    rng = np.random.default_rng(seed)
    tables = []
    for cost, border in zip(costs, borders):
        if noise is None:
            ratings = rng.random(len(border))
        else:
            size = np.log(cost[0, :, MADDS])
            ratings = 0.5 - 0.1 * ((size - size.mean()) / size.std() + noise * rng.standard_normal(len(size)))
        tables.append(BlockTable(ratings=ratings, costs=cost, border=border))
    return tables


def timing(run: Callable, tables: list[BlockTable]) -> tuple[float, tuple[Solution, ...]]:
    """Seconds, and what was found."""
    start = time.perf_counter()
    found = run(tables)
    return time.perf_counter() - start, found


def beside_highs(tables: list[BlockTable], rest: np.ndarray, limits: list[float], name: str, found: tuple[Solution, ...],
                 time_limit: float) -> dict[str, Any]:
    """What HiGHS says about the best solution, or about the point in the middle of a front: one program each."""
    from highs import solve
    solution = found[0]
    if name.startswith('front'):
        solution, cost = found[len(found) // 2], MADDS if 'by madds' in name else PARAMS
        limits = [solution.costs[cost] if index == cost else limit for index, limit in enumerate(limits)]
    result = solve(tables, rest, limits, time_limit)
    return {**result, 'same': result['rating'] is not None and abs(result['rating'] - solution.rating) < 1e-6,
            'ours': solution.rating, 'limits': [str(limit) for limit in limits]}


def line(row: dict[str, Any]) -> str:
    """One task as text."""
    mean, most = 1e3 * statistics.fmean(row['seconds']), 1e3 * max(row['seconds'])
    text = f'{row["ratings"]:9}{row["task"]:32}{mean:9.0f}{most:7.0f}{statistics.fmean(row["solutions"]):7.0f}'
    if 'highs' in row:
        highs = row['highs']
        end = 'the same optimum' if highs['same'] else f'rating {highs["rating"]} against {highs["ours"]:.6f}'
        text += f'  {highs["seconds"]:.1f} s, {"proven" if highs["proven"] else "time limit"}, {end}'
    return text


if __name__ == '__main__':
    main()
