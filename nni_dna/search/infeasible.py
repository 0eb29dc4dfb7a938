from nni_dna.errors import InfeasibleError
def infeasible(names, limits, cheapest):
    return InfeasibleError('x', dict(zip(names, map(float, cheapest))))
