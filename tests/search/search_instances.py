"""Instances for the tests of the search: random small ones, and ones of the size of the paper's space."""

from __future__ import annotations

import itertools

import numpy as np

from nni_dna.search.tables import BlockTable

# The cells (layers, width) of the paper's supernet, block by block; 6 operations a layer, so 288, 1548, 1548, 2808,
# 16848 and 6 paths. Beside them the output resolution of each block.
CELLS = [[(2, 24), (3, 24), (2, 32)], [(2, 40), (3, 40), (4, 40)], [(2, 80), (3, 80), (4, 80)],
         [(3, 112), (4, 112), (4, 96)], [(4, 192), (5, 192), (5, 160)], [(1, 320)]]
RESOLUTIONS = [56, 28, 14, 14, 7, 7]
OPERATIONS = list(itertools.product((3, 5, 7), (3, 6)))


def _layer(width_in, width, kernel, expansion):
    """Parameters and multiply-adds per output position of one inverted residual, squeeze-excitation included."""
    middle = expansion * width_in
    convolutions = width_in * middle + kernel ** 2 * middle + middle * width
    return convolutions + 2 * middle * max(1, width_in // 4), convolutions


def paper_space(ratings):
    """Tables of the paper's space: ``ratings(rng-free callable)`` of (block, params, madds) gives each path's rating."""
    tables, widths_before = [], [16]
    for block, (cells, resolution) in enumerate(zip(CELLS, RESOLUTIONS)):
        widths = sorted({width for _, width in cells})
        costs, border = [], []
        for layers, width in cells:
            for operations in itertools.product(OPERATIONS, repeat=layers):
                inner = np.sum([_layer(width, width, *operation) for operation in operations[1:]], axis=0)
                first = np.array([_layer(before, width, *operations[0]) for before in widths_before])
                costs.append(first + inner)
                border.append(widths.index(width))
        costs = np.moveaxis(np.array(costs, dtype=np.float64), 0, 1) * [1, resolution ** 2]
        tables.append(BlockTable(ratings=ratings(block, costs[0]), costs=costs, border=np.array(border)))
        widths_before = widths
    return tables
