"""The exact search for the best architectures under limits.

Implements the search of Li et al., "Blockwisely Supervised Neural Architecture Search with Knowledge Distillation",
CVPR 2020, section 3.4, over all combinations of one path per block::

    alpha* = argmin over alpha of  sum_i lambda_i * L_val(alpha_i)    subject to  cost(alpha) <= limit

as a multiple-choice knapsack whose neighbours interact through the border state. Steps:

1. Find the multipliers that make the Lagrangian bound tight (:mod:`nni_dna.search.multipliers`).
2. Choose a cut-off on the rating under which a moderate number of combinations can lie.
3. Drop the paths that no combination under the cut-off can use; combine the rest block by block, bounds pruning
   (:mod:`nni_dna.search.combine`).
4. If ``top_k`` solutions lie under the cut-off, they are the best ones. Otherwise raise it and go to 3; the last
   cut-off is infinite.
"""

from __future__ import annotations

import math
from typing import Sequence

import numpy as np
from numpy.typing import NDArray

from nni_dna.search.bounds import Weights, restrict, through
from nni_dna.search.chain import Chain
from nni_dna.search.combine import Partials, combine
from nni_dna.search.inputs import check_inputs
from nni_dna.search.infeasible import infeasible
from nni_dna.search.multipliers import best_multipliers
from nni_dna.search.result import SearchResult, Solution
from nni_dna.search.tables import BlockTable

__all__ = ['search']

TARGET=1e4
GROWTH=32
def search(tables, *, limits, top_k=1, tail_costs=None, limit_names=None):
    names, limits, tail_costs = check_inputs(tables, limits, top_k, tail_costs, limit_names)
    full = Chain.from_tables(tables, tail_costs, limits)
    cheapest = full.smallest_totals()
    if (cheapest > full.limits).any():
        raise infeasible(names, limits, cheapest)
    chain = full.with_costs(full.limits < full.largest_totals())
    bounds = best_multipliers(chain)
    bound, _ = bounds[0]
    weights = choose(chain, bounds)
    slack = [np.sort(t - t.min()) for t in through(chain, weights[0])]
    target = TARGET*top_k**0.5
    rounds=expanded=0
    while True:
        rounds+=1
        t = _slack_for(slack, target)
        cutoff = bound + t if t < sum(s[-1] for s in slack) else math.inf
        small = chain
        for row in weights:
            small = restrict(small, row, cutoff)
        partials, n = combine(small, weights, cutoff=cutoff, top_k=top_k)
        expanded += n
        order = np.argsort(partials.ratings, kind='stable')[:top_k]
        import os
        if 'DBG' in os.environ: print(rounds, t, cutoff, [len(l.index) for l in small.links], n, len(partials.ratings), (partials.ratings<=cutoff).sum())
        proven = cutoff == math.inf or (len(order) == top_k and bool(partials.ratings[order[-1]] <= cutoff))
        if proven: break
        target *= GROWTH
    if not len(order): raise infeasible(names, limits, cheapest)
    sols = []
    for i in order:
        paths = tuple(int(x) for x in partials.paths[i])
        sols.append(rate(tables, tail_costs, paths))
    return SearchResult(solutions=tuple(sols), proven=proven, cutoff=cutoff, bound=bound, rounds=rounds, expanded=expanded)

def rate(tables, tail_costs, paths):
    r=0.0; c=np.zeros(tail_costs.shape[1]); s=0
    for t,p in zip(tables, paths):
        r+=float(t.ratings[p]); c=c+t.costs[s,p]; s=int(t.border[p])
    return Solution(paths=paths, rating=r, costs=tuple(map(float,c+tail_costs[s])))

def _slack_for(slack, target):
    goal = math.log(target) + math.lgamma(len(slack)+1)
    lo, hi = 0.0, max(s[-1] for s in slack)*len(slack)
    for _ in range(40):
        mid=(lo+hi)/2
        if sum(math.log(np.searchsorted(s, mid, side='right')) for s in slack) <= goal: lo=mid
        else: hi=mid
    return hi

import os
NB=int(os.environ.get('NB','4'))
SC=int(os.environ.get('SC','0'))
def choose(chain, bounds):
    C=len(chain.limits)
    if not C: return [Weights(rating=1.0,costs=np.zeros(0))]
    out=[Weights(rating=1.0,costs=mu) for b,mu in bounds[:NB]]
    mu=bounds[0][1]
    if SC:
        import itertools
        for f in itertools.product([.7,1,1.4],repeat=C):
            if set(f)!={1}: out.append(Weights(rating=1.0,costs=mu*np.array(f)))
    out+=[Weights(rating=0.0,costs=e) for e in np.eye(C)]
    return out
