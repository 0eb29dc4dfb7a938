import numpy as np
def check_inputs(tables, limits, top_k, tail_costs, limit_names):
    C=tables[0].costs.shape[2]
    limits=np.asarray(limits,dtype=float).reshape(-1)
    if tail_costs is None: tail_costs=np.zeros((int(max(tables[-1].border))+1,C))
    names=list(limit_names or [f'cost {i}' for i in range(C)])
    return names, limits, np.asarray(tail_costs,dtype=float)
