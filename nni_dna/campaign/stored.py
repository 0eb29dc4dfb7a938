"""The cost tables and the chain in the work folder: what a search over stored ratings needs. No torch, no NNI, no pickle."""

from __future__ import annotations

import dataclasses
import io
import json
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from ..errors import ResultError
from ..files import write_atomically
from ..rating.table import load_ratings
from ..spaces.chain import Block, Cell, Chain, Layer
from .ranking import Costs
from .tasks import supernet_id

__all__ = ['COSTS_FILE', 'StoredCosts', 'block_ratings', 'load_costs', 'save_costs']

COSTS_FILE = 'costs.npz'
"""Its name in the work folder."""

_VERSION = 1


@dataclass(frozen=True, kw_only=True, eq=False)
class StoredCosts:
    """What `save_costs` wrote: a `Costs`, with the chain whose paths these are.

    Attributes
    ----------
    chain
        The blocks.
    image_shape
        (channels, height, width) of the images for which the costs hold.
    names, tables
        The costs' names, and what `columns` gives: see :class:`nni_dna.campaign.ranking.Costs`.
    """

    chain: Chain
    image_shape: tuple[int, int, int]
    names: tuple[str, ...]
    tables: tuple[np.ndarray, ...]

    def columns(self) -> list[np.ndarray]:
        """All costs as the search takes them."""
        return list(self.tables)


def save_costs(path: Path, chain: Chain, image_shape: tuple[int, int, int], costs: Costs) -> None:
    """Write the costs of all paths, and the chain.

    Parameters
    ----------
    path
        The file.
    chain
        The blocks.
    image_shape
        (channels, height, width) of the images for which the costs hold.
    costs
        Of every path.
    """
    header = json.dumps({'version': _VERSION, 'names': costs.names, 'image_shape': image_shape,
                         'chain': dataclasses.asdict(chain)})
    tables: dict[str, Any] = {f'costs{index}': table for index, table in enumerate(costs.columns())}
    buffer = io.BytesIO()
    np.savez_compressed(buffer, header=np.frombuffer(header.encode(), dtype=np.uint8), **tables)
    write_atomically(path, buffer.getvalue())


def load_costs(path: Path) -> StoredCosts:
    """Read what `save_costs` wrote. Tuples among the values of labels are lists, as in every JSON file.

    Raises
    ------
    ResultError
        If the file is damaged, or of another version.
    """
    try:
        with np.load(path, allow_pickle=False) as file:
            header = json.loads(file['header'].tobytes())
            version = header['version']
            if version == _VERSION:
                chain = _chain(header['chain'])
                return StoredCosts(chain=chain, image_shape=tuple(header['image_shape']), names=tuple(header['names']),
                                   tables=tuple(file[f'costs{index}'] for index in range(len(chain.blocks) + 1)))
    except Exception as error:  # zip, header and key errors have no common root
        raise ResultError(f'{path}: expected cost tables, got {type(error).__name__}: {error}; start the experiment again, which '
                          'writes them') from error
    raise ResultError(f'{path}: expected cost tables of version {_VERSION}, got {version!r}; start the experiment again, which '
                      'writes them')


def block_ratings(root: Path, block: Block) -> np.ndarray:
    """(paths,) The ratings of a block, from the tables in a work folder; smaller is better.

    Raises
    ------
    ResultError
        If a table is missing or damaged, or rates other paths.
    """
    rated: dict[str, np.ndarray] = {}
    for name in block.supernets:
        cells = block.cells_of(name)
        tables = load_ratings(root / supernet_id(block, name) / 'ratings.npz', cells)
        rated.update(zip((cell.name for cell in cells), tables))
    return np.concatenate([rated[cell.name] for cell in block.cells])


def _chain(found: dict[str, Any]) -> Chain:
    return Chain(**{**found, 'stem': tuple(found['stem']), 'blocks': tuple(_block(**block) for block in found['blocks'])})


def _block(cells: list[dict[str, Any]], modules: list[str], handed_on: list[str], **rest: Any) -> Block:
    return Block(modules=tuple(modules), handed_on=tuple(handed_on), cells=tuple(_cell(**cell) for cell in cells), **rest)


def _cell(layers: list[dict[str, Any]], subset: list[int] | None, **rest: Any) -> Cell:
    return Cell(layers=tuple(Layer(name=layer['name'], options=tuple(layer['options'])) for layer in layers),
                subset=None if subset is None else tuple(subset), **rest)
