"""The multipliers that make the Lagrangian bound tight, by column generation.

Maximising ``L(mu)`` (see :mod:`nni_dna.search.bounds`) is the dual of the linear program that mixes whole combinations
of paths so that the *mean* costs keep the limits (Dantzig and Wolfe, 1960). It has one row per limit and one for
"the shares add up to 1", so a revised simplex on tiny dense matrices solves it; the next combination to mix in is the
shortest path under the current multipliers.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from nni_dna.search.bounds import Weights, remaining
from nni_dna.search.chain import Chain

__all__ = ['best_multipliers']

# NOTE: any mu >= 0 gives a valid bound, so stopping early costs time later, never correctness.
MAX_STEPS = 100
GAP = 1e-9
# NOTE: a multiplier of 1 trades the whole range of ratings for the whole range of a cost. The steepest useful trade of
# real tables stays far below this; where it does not, the bound is merely less tight.
MULTIPLIER_MAX = 1e4


def best_multipliers(chain: Chain) -> list[tuple[float, NDArray[np.float64]]]:
    """Maximise the Lagrangian bound over the multipliers.

    Parameters
    ----------
    chain
        Blocks with at least one path each, and limits that can each be met alone.

    Returns
    -------
    list
        ``(L(mu), mu)`` of every multiplier vector that was tried, ``mu`` of shape ``(C,)`` in rating units per cost
        unit, the largest bound first.
    """
    span = chain.largest_totals() - chain.smallest_totals()
    span[span <= 0] = 1.0  # the same for all combinations, so any unit does
    ratings = [link.ratings for link in chain.links]
    scale = sum(float(np.ptp(values)) for values in ratings) or 1.0
    most = MULTIPLIER_MAX * scale
    tried = []

    def price(mu: NDArray[np.float64]) -> tuple[float, float, NDArray[np.float64]]:
        bound, rating, costs = _shortest(chain, Weights(rating=1.0, costs=mu / span))
        tried.append((bound, mu / span))
        return bound, rating, np.concatenate([[1.0], (costs - chain.limits) / span])

    count = len(span)
    unit = np.eye(count + 1)
    _, rating, column = price(np.zeros(count))
    # The first basis: the best combination regardless of the limits, with a slack for each limit that it keeps and a
    # priced violation for each that it breaks.
    broken = column > 0
    broken[0] = False
    basis = np.where(broken, -unit, unit)
    basis[:, 0] = column
    objective = np.where(broken, most, 0.0)
    objective[0] = rating
    for _ in range(MAX_STEPS):
        duals = np.linalg.solve(basis.T, objective)
        mu = -duals[1:]
        if count and mu.min() < -GAP * scale:
            entering, worth = unit[1 + mu.argmin()], 0.0
        elif count and mu.max() > most * (1 + GAP):
            entering, worth = -unit[1 + mu.argmax()], most
        else:
            bound, worth, entering = price(np.clip(mu, 0.0, most))
            if bound >= duals[0] - GAP * scale:
                break
        shares = np.linalg.solve(basis, unit[0])
        change = np.linalg.solve(basis, entering)
        ratio = np.divide(shares, change, out=np.full(count + 1, np.inf), where=change > GAP)
        leaving = int(ratio.argmin())
        if not np.isfinite(ratio[leaving]):
            break
        basis[:, leaving] = entering
        objective[leaving] = worth
    return sorted(tried, key=lambda pair: -pair[0])


def _shortest(chain: Chain, weights: Weights) -> tuple[float, float, NDArray[np.float64]]:
    """Return the bound, and the rating and costs of a combination that attains it."""
    after = remaining(chain, weights)
    rating, costs, state = 0.0, np.zeros(len(chain.limits)), 0
    for position, link in enumerate(chain.links):
        totals = weights.of(link.ratings, link.costs[:, state]) + after[position + 1][link.border]
        path = int(totals.argmin())
        rating += float(link.ratings[path])
        costs = costs + link.costs[:, state, path]
        state = int(link.border[path])
    return float(after[0][0] - weights.costs @ chain.limits), rating, costs + chain.tail[:, state]
