"""Costs of which the largest counts and not the sum, such as the memory that one layer after another needs.

A combination keeps the limit on such a cost if and only if none of its parts exceeds it. So each part is given the cost 1 where
it does and 0 where it does not, and the sum of these may be at most 0: an ordinary cost, for bounds and dominance alike.
"""

from __future__ import annotations

from dataclasses import replace

import numpy as np
from numpy.typing import NDArray

from nni_dna.search.bounds import Weights, through
from nni_dna.search.chain import Chain

__all__ = ['count_exceeding', 'without_exceeding']


def count_exceeding(chain: Chain, peaks: NDArray[np.bool_]) -> Chain:
    """Return the chain in which costs of the mask ``peaks``, shape ``(C,)``, are how many parts exceed the limit, at most 0."""
    def counted(costs: NDArray[np.float64]) -> NDArray[np.float64]:
        above = costs > chain.limits.reshape(-1, *[1] * (costs.ndim - 1))
        return np.where(peaks.reshape(-1, *[1] * (costs.ndim - 1)), above, costs)

    links = tuple(replace(link, costs=counted(link.costs)) for link in chain.links)
    return Chain(links=links, tail=counted(chain.tail), limits=np.where(peaks, 0.0, chain.limits))


def without_exceeding(chain: Chain, peaks: NDArray[np.bool_]) -> Chain:
    """Return a chain of counts without the paths that exceed a limit of the mask ``peaks`` in every combination."""
    for row in np.flatnonzero(peaks):
        alone = chain.with_costs(np.arange(len(peaks)) == row)
        exceeding = through(alone, Weights(rating=0.0, costs=np.ones(1)))
        chain = chain.with_links([link.take(counts <= 0) for link, counts in zip(chain.links, exceeding)])
    return chain
