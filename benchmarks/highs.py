"""The search as a mixed-integer program, solved by HiGHS (SciPy's `milp`): what other tools would do."""

from __future__ import annotations

import time
from typing import Any, Sequence

import numpy as np
from scipy import sparse
from scipy.optimize import Bounds, LinearConstraint, milp

from nni_dna.search import BlockTable


def solve(tables: Sequence[BlockTable], rest: np.ndarray, limits: Sequence[float], time_limit: float) -> dict[str, Any]:
    """Minimise the rating with a 0-1 variable for each block, border state before it and path.

    Parameters
    ----------
    tables
        The blocks; every path can be chosen.
    rest
        Costs (1, C) of what follows the last block.
    limits
        One per cost; inf for none.
    time_limit
        Seconds.

    Returns
    -------
    dict
        ``seconds``, ``proven`` (whether HiGHS finished) and ``rating`` (of the best that it found, added up from the tables;
        None if it found nothing).
    """
    start = time.perf_counter()
    shapes = [table.costs.shape[:2] for table in tables]
    block = np.repeat(np.arange(len(tables)), [states * paths for states, paths in shapes])
    before = np.concatenate([np.repeat(np.arange(states), paths) for states, paths in shapes])
    path = np.concatenate([np.tile(np.arange(paths), states) for states, paths in shapes])
    after = np.concatenate([np.tile(table.border, states) for table, (states, _) in zip(tables, shapes)])
    rating = np.concatenate([np.tile(table.ratings, states) for table, (states, _) in zip(tables, shapes)])
    costs = np.concatenate([table.costs.reshape(-1, table.costs.shape[2]) for table in tables])
    # One path for each block; and as many leave a block in a border state as enter the next one in it.
    rows, right = [], []
    for number, (states, _) in enumerate(shapes):
        rows.append((block == number).astype(float))
        right.append(1)
        for state in range(states if number else 0):
            left = (block == number - 1) & (after == state)
            rows.append(left.astype(float) - ((block == number) & (before == state)))
            right.append(0)
    solved = milp(rating, integrality=np.ones(len(rating)), bounds=Bounds(0, 1),
                  options={'mip_rel_gap': 0.0, 'time_limit': time_limit},
                  constraints=[LinearConstraint(sparse.csr_array(np.array(rows)), right, right),
                               LinearConstraint(sparse.csr_array(costs.T), -np.inf, np.asarray(limits) - rest[0])])
    seconds = time.perf_counter() - start
    if solved.x is None:
        return {'seconds': seconds, 'proven': solved.status == 0, 'rating': None}
    chosen = path[solved.x > 0.5]
    return {'seconds': seconds, 'proven': solved.status == 0,
            'rating': float(sum(table.ratings[index] for table, index in zip(tables, chosen, strict=True)))}
