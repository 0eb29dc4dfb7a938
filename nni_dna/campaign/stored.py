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
from ..files import inside, write_atomically
from ..rating.table import load_ratings
from ..spaces.chain import Block, Cell, Chain, Layer
from ..versions import FORMAT, check_version
from .ranking import Costs
from .tasks import ratings_name, supernet_id

__all__ = ['COSTS_FILE', 'StoredCosts', 'block_ratings', 'load_costs', 'save_costs']

COSTS_FILE = 'costs.npz'
"""Its name in the work folder."""


@dataclass(frozen=True, kw_only=True, eq=False)
class StoredCosts:
    """What `save_costs` wrote: a `Costs`, with the chain whose paths these are.

    Attributes
    ----------
    chain
        The blocks.
    image_shape
        (channels, height, width) of the images for which the costs hold.
    names, whole, peaks
        As those of :class:`nni_dna.campaign.ranking.Costs`.
    tables
        As `Costs.columns` gives them.
    """

    chain: Chain
    image_shape: tuple[int, int, int]
    names: tuple[str, ...]
    whole: tuple[bool, ...]
    peaks: tuple[int, ...]
    tables: tuple[np.ndarray, ...]

    def columns(self) -> list[np.ndarray]:
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
    header = json.dumps({'version': FORMAT, 'names': costs.names, 'whole': costs.whole, 'peaks': costs.peaks,
                         'image_shape': image_shape, 'chain': dataclasses.asdict(chain)})
    tables: dict[str, Any] = {f'table{index}': table for index, table in enumerate(costs.columns())}
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
    again = 'start the experiment again, which writes them'
    try:
        with np.load(path, allow_pickle=False) as file:
            header = json.loads(file['header'].tobytes())
            check_version(header.get('version'), str(path), ResultError, again)
            chain = _chain(header['chain'])
            found = StoredCosts(chain=chain, image_shape=tuple(header['image_shape']), names=tuple(header['names']),
                                whole=tuple(header['whole']), peaks=tuple(header['peaks']),
                                tables=tuple(file[f'table{index}'] for index in range(len(chain.blocks) + 1)))
        shapes = [(table.ndim, table.shape[-2], table.shape[-1]) for table in found.tables[:-1]]
        if shapes != [(3, block.paths, len(found.names)) for block in chain.blocks]:
            raise ValueError(f'tables of other paths: {shapes}')
    except ResultError:
        raise
    except Exception as error:  # zip, header and key errors have no common root
        raise ResultError(f'{path}: expected cost tables, got {type(error).__name__}: {error}; {again}') from error
    return found


def block_ratings(root: Path, block: Block, epoch: int | None = None) -> np.ndarray:
    """(paths,) The ratings of a block, from the tables in a work folder: at the end of the training, or after an epoch.

    Smaller is better.

    Raises
    ------
    ResultError
        If a table is missing or damaged, or rates other paths.
    """
    rated: dict[str, np.ndarray] = {}
    for name in block.supernets:
        cells = block.cells_of(name)
        tables = load_ratings(inside(root, f'{supernet_id(block, name)}/{ratings_name(epoch)}'), cells)
        rated.update(zip((cell.name for cell in cells), tables))
    return np.concatenate([rated[cell.name] for cell in block.cells])


def _chain(found: dict[str, Any]) -> Chain:
    return Chain(**{**found, 'stem': tuple(found['stem']), 'blocks': tuple(_block(**block) for block in found['blocks'])})


def _block(cells: list[dict[str, Any]], modules: list[str], handed_on: list[str], **rest: Any) -> Block:
    return Block(modules=tuple(modules), handed_on=tuple(handed_on), cells=tuple(_cell(**cell) for cell in cells), **rest)


def _cell(layers: list[dict[str, Any]], subset: list[int] | None, **rest: Any) -> Cell:
    return Cell(layers=tuple(Layer(name=layer['name'], options=tuple(layer['options'])) for layer in layers),
                subset=None if subset is None else tuple(subset), **rest)
