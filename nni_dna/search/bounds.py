"""Lower bounds on what a combination of paths can reach.

The search of Li et al., "Blockwisely Supervised Neural Architecture Search with Knowledge Distillation", CVPR 2020,
section 3.4, minimises ``sum_i lambda_i * L_val(alpha_i)`` subject to ``cost(alpha) <= limit``. For any ``mu >= 0``

    L(mu) = min over alpha of  sum_i lambda_i * L_val(alpha_i) + mu * (cost(alpha) - limit)

is a lower bound on the answer (Lagrangian relaxation). Without the limits the blocks only interact through the border
state, so the minimum is a shortest path over the border states.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from nni_dna.search.chain import Chain

__all__ = ['Weights', 'remaining', 'restrict', 'through', 'threshold']

# NOTE: a weighted total of N blocks and C costs takes about N * (C + 2) roundings of at most half an epsilon of the
# largest magnitude each. The factor leaves room for the order of additions, which differs between a bound and a sum;
# being generous costs nothing, since real ratings hardly ever lie this close to each other.
ROUNDING = 8 * float(np.finfo(np.float64).eps)


@dataclass(frozen=True, kw_only=True, eq=False)
class Weights:
    """How a rating and the costs are weighted into one number.

    For every combination that keeps the limits and whose rating is at most ``cutoff``::

        rating * its rating + costs @ its costs  <=  rating * cutoff + costs @ limits

    so a partial combination that breaks this with its cheapest completion can be dropped. With ``rating = 1`` this is
    the Lagrangian bound; with ``rating = 0`` it says that a (combined) limit cannot be met.

    Parameters
    ----------
    rating
        0 or 1.
    costs
        Shape ``(C,)``, each at least 0; rating units per cost unit when ``rating`` is 1.
    """

    rating: float
    costs: NDArray[np.float64]

    def of(self, ratings: NDArray[np.float64], costs: NDArray[np.float64]) -> NDArray[np.float64]:
        """Return weighted totals, shape ``(...)``, of ratings that broadcast to it and costs of shape ``(C, ...)``."""
        # Not a matrix product: with so few rows, waking up the threads of a BLAS takes longer than the sums.
        totals = np.broadcast_to(self.rating * ratings, costs.shape[1:])
        for weight, values in zip(self.costs, costs):
            totals = totals + weight * values
        return totals


def threshold(chain: Chain, weights: Weights, cutoff: float) -> float:
    """Return the weighted total that no combination worth keeping exceeds, rounding errors included.

    Parameters
    ----------
    chain
        The blocks and the limits, all finite.
    weights
        The weights of the bound.
    cutoff
        The largest rating of interest, finite.
    """
    scale = weights.rating * chain.largest_ratings() + float(weights.costs @ np.abs(chain.limits))
    for costs in (*(link.costs for link in chain.links), chain.tail):
        scale += float(weights.costs @ np.abs(costs).max(axis=tuple(range(1, costs.ndim)), initial=0.0))
    tolerance = ROUNDING * (len(chain.links) + 1) * (len(chain.limits) + 2) * scale
    return weights.rating * cutoff + float(weights.costs @ chain.limits) + tolerance


def remaining(chain: Chain, weights: Weights) -> list[NDArray[np.float64]]:
    """Return the smallest weighted total from each block to the end, by the border state before it.

    Returns
    -------
    list
        Entry ``i``, shape ``(B_i,)``: blocks ``i`` and later plus the tail; the last entry is the tail alone.
    """
    totals = [weights.of(np.zeros(1), chain.tail)]
    for link in reversed(chain.links):
        totals.append((weights.of(link.ratings, link.costs) + totals[-1][link.border]).min(axis=1, initial=np.inf))
    return totals[::-1]


def through(chain: Chain, weights: Weights) -> list[NDArray[np.float64]]:
    """Return, for each block, shape ``(P,)``: the smallest weighted total of a combination with each path."""
    after = remaining(chain, weights)
    before = np.zeros(1)
    totals = []
    for position, link in enumerate(chain.links):
        ending = (before[:, None] + weights.of(link.ratings, link.costs)).min(axis=0)
        totals.append(ending + after[position + 1][link.border])
        before = np.full(chain.states_after(position), np.inf)
        np.minimum.at(before, link.border, ending)
    return totals


def restrict(chain: Chain, weights: Weights, cutoff: float) -> Chain:
    """Return the chain without the paths that no combination with a rating up to ``cutoff`` can use."""
    most = threshold(chain, weights, cutoff)
    return chain.with_links([link.take(totals <= most)
                             for link, totals in zip(chain.links, through(chain, weights))])
