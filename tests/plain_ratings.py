"""Ratings by a plain pass for every path, and supernets of toy spaces to take them of."""

import copy
import itertools

import numpy as np
import torch
from torch import nn

import toys
from nni_dna.rating import PathRater

TOY_SUPERNETS = [(0, 0), (0, 1), (1, 0)]
SCALED_SUPERNETS = [(0, 0), (1, 0)]


def recalibrate(network, features):
    """Give each BatchNorm the statistics of its own input, as training mode with a momentum of 1 would."""
    taken = []
    handles = [norm.register_forward_pre_hook(lambda module, inputs: taken.append(
                   (module, inputs[0].mean((0, 2, 3)), inputs[0].var((0, 2, 3)))))
               for norm in network.modules() if isinstance(norm, nn.BatchNorm2d) and norm.track_running_stats]
    network.train()
    for part in network.modules():
        if isinstance(part, nn.Dropout):
            part.eval()
    network(features.clone())
    for handle in handles:
        handle.remove()
    for norm, mean, variance in taken:
        norm.running_mean.copy_(mean)
        norm.running_var.copy_(variance)
    network.eval()


class SharedPath(nn.Module):
    """One path of a copy of a whole supernet."""

    def __init__(self, supernet, cell, path):
        super().__init__()
        self.supernet, self.chosen = copy.deepcopy(supernet), (cell, path)

    def forward(self, x):
        return self.supernet(x, *self.chosen)


def paths_of(cell):
    return list(itertools.product(*(range(base) for base in cell.radix)))


def l1(target, output):
    return np.abs(target - output).sum() / (target.size * target.std())


@torch.no_grad()
def plain_rating(network, calibration, held_out, formula=l1):
    """BatchNorm recalibrated from scratch, the formula in NumPy."""
    recalibrate(network, calibration)
    target = np.concatenate([target.double().numpy() for _, target in held_out])
    output = np.concatenate([network(features.clone()).double().numpy() for features, _ in held_out])
    return formula(target, output)


def plain_ratings(supernet, cells, calibration, held_out):
    """For each path a copy of the whole supernet, with statistics of its own."""
    return [plain_rating(SharedPath(supernet, index, path), calibration, held_out)
            for index, cell in enumerate(cells) for path in paths_of(cell)]


def rate_cells(supernet, cells, calibration, held_out):
    rater = PathRater(supernet, cells)
    rater.calibrate(calibration)
    for features, target in held_out:
        rater.add(features, target)
    return [ratings.tolist() for ratings in rater.ratings()]


def rate(supernet, cells, calibration, held_out):
    """The ratings of all cells, one after another."""
    return [rating for ratings in rate_cells(supernet, cells, calibration, held_out) for rating in ratings]


def cells_of(chain, key):
    block = chain.blocks[key[0]]
    return [cell for cell in block.cells if cell.supernet == block.supernets[key[1]]]


def count_calls(modules):
    """How often each of these modules runs from now on."""
    counts = [0] * len(modules)

    def count(index):
        def hook(module, inputs):
            counts[index] += 1
        return hook
    for index, module in enumerate(modules):
        module.register_forward_pre_hook(count(index))
    return counts


def stir(module, seed=0):
    """Weights and statistics as after some training."""
    generator = torch.Generator().manual_seed(seed)
    for part in module.modules():
        if isinstance(part, nn.BatchNorm2d):
            with torch.no_grad():
                part.weight.uniform_(0.5, 2, generator=generator)
                part.bias.normal_(generator=generator)
                part.running_mean.normal_(generator=generator)
                part.running_var.uniform_(0.1, 9, generator=generator)


def task_of(maps, block):
    return maps[block][:24], [(maps[block][24:], maps[block + 1][24:])]


def stirred(teacher, make):
    chain = toys.read_chain(make())
    found = toys.supernets(teacher, make=make)
    for key, supernet in found.items():
        stir(supernet, seed=sum(key))
    return {key: (supernet, cells_of(chain, key)) for key, supernet in found.items()}
