"""Feature maps of the teacher and of the chosen path in the trained supernet, for one held-out image."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Any, Mapping

import torch

from ...campaign.setup import Setup
from ...campaign.tasks import supernet_id
from ...campaign.work import WorkFolder
from ...data import images_of
from ...lightning import compute_device, seed_all
from ...phases.rating import calibration_images
from ...phases.teacher import staged_teacher
from ...rating import PathRater
from ...spaces import Block
from ...spaces.files import recalled
from ...spaces.labels import labels_of
from ...weights import load_weights

__all__ = ['BlockMaps', 'feature_maps', 'student_map']


@dataclass(frozen=True, kw_only=True, eq=False)
class BlockMaps:
    """The two feature maps of one block.

    Attributes
    ----------
    block
        Its name.
    stage
        The teacher's stage.
    teacher, student
        (channels, height, width), all channels.
    channels
        Those with the highest variance in the teacher's map, the highest first.
    distance
        The rating's formula on this image alone: L1 distance over the number of elements and the teacher's standard deviation.
    """

    block: str
    stage: str
    teacher: torch.Tensor
    student: torch.Tensor
    channels: list[int]
    distance: float


@torch.no_grad()
def feature_maps(setup: Setup, work: WorkFolder, architecture: Mapping[str, Any],
                 channels: int = 6) -> tuple[torch.Tensor, list[BlockMaps]]:
    """The first held-out image, (channels, height, width), and what teacher and student make of it, block by block.

    As in the distillation, each block of the student is given the teacher's feature map before it. Its BatchNorm has the
    statistics that the rating used.

    Parameters
    ----------
    setup
        The experiment.
    work
        Its work folder, with the supernets trained.
    architecture
        Whose paths to take.
    channels
        How many channels to name, at the most.

    Raises
    ------
    NniDnaError
        If the teacher, the images or a supernet's weights are not there any more.
    """
    device = compute_device()
    seed_all(setup.settings.seed)
    teacher = staged_teacher(setup, work).to(device)
    calibration = calibration_images(setup.data, setup.settings.rate.calibration_images).to(device)
    teacher.calibrate(calibration)
    image = images_of(next(iter(setup.data.holdout())))[:1].to(device)
    before, after = [calibration, *teacher(calibration)], [image, *teacher(image)]
    sample = recalled(architecture, labels_of(setup.meta_space))
    found = []
    for index, (block, path) in enumerate(zip(setup.chain.blocks, setup.chain.paths_of(sample))):
        student = student_map(setup, work, block, path, before[index], after[index])[0].cpu()
        target = after[index + 1][0].cpu()
        order = target.flatten(1).var(dim=1, unbiased=False).argsort(descending=True, stable=True)
        found.append(BlockMaps(block=block.name, stage=setup.matching.stages[index], teacher=target, student=student,
                               channels=order[:channels].tolist(),
                               distance=((student - target).abs().mean() / target.std(unbiased=False)).item()))
    return image[0].cpu(), found


@torch.no_grad()
def student_map(setup: Setup, work: WorkFolder, block: Block, path: int, calibration: torch.Tensor,
                features: torch.Tensor) -> torch.Tensor:
    """What one path of a trained block makes of the teacher's feature map before it.

    Parameters
    ----------
    setup, work
        The experiment and its work folder.
    block, path
        Which path.
    calibration
        The block's input for the images that the statistics of BatchNorm are taken from, (images, channels, height, width).
    features
        The block's input, likewise.
    """
    index, local = block.locate(path)
    chosen = block.cells[index]
    cells = block.cells_of(chosen.supernet)
    supernet = setup.supernet(setup.build_space(), setup.chain.blocks.index(block), chosen.supernet)
    load_weights(supernet, work.root / supernet_id(block, chosen.supernet) / 'supernet.safetensors', block.name)
    supernet.to(features.device)
    number = local if chosen.subset is None else chosen.subset[local]
    only = [replace(cell, subset=(number,) if cell is chosen else ()) for cell in cells]
    PathRater(supernet, only).calibrate(calibration)  # of one path, so its statistics stay in the modules
    return supernet.eval()(features, cells.index(chosen), chosen.digits(local))
