"""Export a winner of an experiment."""

from __future__ import annotations

import copy
import dataclasses
import json
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Mapping

import torch
from torch import nn

from ..campaign.rated import read_costs
from ..campaign.winners import find_winner
from ..cost import count
from ..errors import SettingsError
from ..files import check_place, write_atomically
from .formats import to_bytes

__all__ = ['Exported', 'export']


@dataclass(frozen=True, kw_only=True)
class Exported:
    """What was written.

    Attributes
    ----------
    path
        The file; beside it, ``.json`` added to its name, is the metadata.
    metadata
        Rank, architecture, costs, and how images go into the network.
    difference
        The largest absolute difference between what the file gives and what the network gives, for batches of 1 and 3 random
        images; 0 for weights, which are equal.
    """

    path: Path
    metadata: Mapping[str, Any]
    difference: float

    def text(self) -> str:
        """For the command line."""
        return (f'{self.path}: rank {self.metadata["rank"]}, {self.metadata["params"]:,} parameters, '
                f'{self.metadata["madds"]:,} multiply-adds for images of {"x".join(map(str, self.metadata["image_shape"]))}\n'
                f'largest difference from the network: {self.difference:.2g}')


def export(work: str | Path, rank: int, format: str, output: str | Path, image_size: int | None = None) -> Exported:
    """Write a retrained winner to a file that needs no NNI, and its metadata to ``OUTPUT.json``.

    A file is written only if what it holds gives what the network gives; one that is there is replaced as a whole.

    Parameters
    ----------
    work
        The work folder of an experiment.
    rank
        1 is the best.
    format
        ``safetensors`` or ``pt``: the weights (a state_dict); ``onnx`` (opset 17) or ``torch-export``: the whole network, for
        any batch size and images of one size.
    output
        The file.
    image_size
        Height and width of the images, in pixels; the experiment's unless it is given.

    Raises
    ------
    ResultError
        If there is no such winner yet, or its files are not those that were written.
    SettingsError
        If the file cannot be written there, or the network cannot run on images of this size.
    ExportError
        If the network cannot be written so, a package is missing, or what was written gives something else.
    """
    path = Path(output)
    check_place(path)
    winner = find_winner(work, rank)
    network, entry = winner.network(), winner.entry
    shape = read_costs(winner.folder).image_shape
    if image_size is not None:
        shape = (shape[0], image_size, image_size)
    _check_size(network, shape)
    cost = count(copy.deepcopy(network).to('meta'), shape)[0]
    images = winner.folder.record()['settings'].get('data', {})  # a NasExperiment's loaders say nothing of them
    metadata = {
        'rank': rank, 'architecture': entry['architecture'], 'rating': entry['rating'], 'accuracy': entry['accuracy'],
        **dataclasses.asdict(cost), 'image_shape': list(shape), 'mean': images.get('mean'),
        'std': images.get('std'), 'num_classes': winner.ranking['num_classes'], 'format': format}
    content, difference = to_bytes(network, format, shape, metadata)
    write_atomically(path, content)
    write_atomically(path.with_name(path.name + '.json'), json.dumps(metadata, indent=2).encode() + b'\n')
    return Exported(path=path, metadata=metadata, difference=difference)


@torch.no_grad()
def _check_size(network: nn.Module, shape: tuple[int, int, int]) -> None:
    if shape[1] < 1:
        raise SettingsError(f'--image-size: expected a number of pixels of at least 1, got {shape[1]}; give one')
    try:
        network(torch.zeros(1, *shape))
    except Exception as error:  # whatever the user's forward raises
        raise SettingsError(f'--image-size: the network cannot run on images of shape {shape}: {type(error).__name__}: {error}; '
                            'leave it out for the size that it was trained on') from error
