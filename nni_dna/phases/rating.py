"""Rate all paths of some supernets, and find the best."""

from __future__ import annotations

from typing import Any, Mapping, Sequence

import numpy as np
import torch

from ..campaign.setup import Images, Setup
from ..data import images_of
from ..distill import BlockInputs, SearchedBlock, SupernetKey
from ..errors import TrainingError
from ..rating import rate_supernets
from ..spaces import Cell
from ..supernet import BlockSupernet
from ..teacher import StagedTeacher

__all__ = ['rate', 'best_of', 'best_path', 'calibration_images', 'cells_of', 'name_of']


def name_of(setup: Setup, key: SupernetKey) -> str:
    """The name of a supernet within its block."""
    return setup.chain.blocks[key[0]].supernets[key[1]]


def cells_of(setup: Setup, key: SupernetKey) -> tuple[Cell, ...]:
    """The cells of a supernet."""
    return setup.chain.blocks[key[0]].cells_of(name_of(setup, key))


def best_path(setup: Setup, key: SupernetKey, ratings: Sequence[Any]) -> tuple[float, int, tuple[int, ...]]:
    """The path of a supernet with the smallest rating, whatever it costs; the first of equals.

    Parameters
    ----------
    setup
        The experiment.
    key
        Which supernet.
    ratings
        Per cell (paths,).

    Returns
    -------
    tuple
        Its rating, the index of its cell among those of the supernet, and one option per layer.

    Raises
    ------
    TrainingError
        If no rating is finite.
    """
    arrays = [np.asarray(part) for part in ratings]
    together = np.concatenate(arrays)
    finite = np.isfinite(together)
    if not finite.any():
        raise TrainingError(f'{setup.chain.blocks[key[0]].name}, cell {name_of(setup, key)}: no path gives a finite feature map; '
                            'lower distill.lr')
    path = int(np.argmin(np.where(finite, together, np.inf)))
    rating = float(together[path])
    for index, (cell, part) in enumerate(zip(cells_of(setup, key), arrays)):
        if path < len(part):
            return rating, index, cell.digits(path)
        path -= len(part)
    raise AssertionError('more ratings than paths')


def best_of(setup: Setup, ratings: Mapping[SupernetKey, Sequence[Any]]) -> tuple[SupernetKey, int, tuple[int, ...]]:
    """The supernet whose best path has the smallest rating, and that path's cell and options, as `best_path` gives them."""
    paths = {key: best_path(setup, key, tables) for key, tables in ratings.items()}
    key = min(paths, key=lambda key: paths[key][0])
    return key, *paths[key][1:]


@torch.no_grad()
def rate(setup: Setup, images: Images, teacher: StagedTeacher, supernets: Mapping[SupernetKey, BlockSupernet],
         searched: Sequence[SearchedBlock] | None, device: torch.device) -> dict[SupernetKey, list[torch.Tensor]]:
    """The ratings of all paths by cell.

    Unless the teacher feeds the blocks, each supernet keeps the BatchNorm statistics of its best path.

    Parameters
    ----------
    setup
        The experiment.
    images
        To calibrate and to rate with.
    teacher
        Gives the feature maps.
    supernets
        Trained; their BatchNorm buffers are overwritten.
    searched
        Where the input is ``progressive``, the blocks before those of the supernets. In a cascade, the best path of each block
        feeds the next.
    device
        Where to compute.
    """
    calibration = calibration_images(images, setup.settings.rate.calibration_images)
    teacher.to(device).calibrate(calibration.to(device))
    if setup.settings.distill.input != 'cascade':
        return _rate(setup, images, calibration, BlockInputs(teacher, searched, supernets), supernets, device)
    ratings: dict[SupernetKey, list[torch.Tensor]] = {}
    best: list[SearchedBlock] = []
    for block in sorted({block for block, _ in supernets}):
        own = {key: supernet for key, supernet in supernets.items() if key[0] == block}
        found = _rate(setup, images, calibration, BlockInputs(teacher, best, own), own, device)
        ratings.update(found)
        key, cell, path = best_of(setup, found)
        best.append(SearchedBlock(supernet=own[key], cell=cell, path=path))
    return ratings


def _rate(setup: Setup, images: Images, calibration: torch.Tensor, inputs: BlockInputs,
          supernets: Mapping[SupernetKey, BlockSupernet], device: torch.device) -> dict[SupernetKey, list[torch.Tensor]]:
    """From one teacher pass a batch."""
    raters = rate_supernets(supernets, {key: cells_of(setup, key) for key in supernets}, inputs.to(device), calibration,
                            images.holdout(), device, setup.settings.rate.measure)
    ratings = {key: rater.ratings() for key, rater in raters.items()}
    if setup.settings.distill.input != 'teacher':
        for key, rater in raters.items():
            _, cell, path = best_path(setup, key, ratings[key])
            rater.settle(cell, path)
    return ratings


def calibration_images(images: Images, wanted: int) -> torch.Tensor:
    """(wanted, channels, height, width) From which each path's BatchNorm statistics are taken."""
    batches, count = [], 0
    for batch in images.calibration():
        batches.append(images_of(batch))
        count += len(batches[-1])
        if count >= wanted:
            break
    return torch.cat(batches)[:wanted]
