"""Read a user's loader while a training that reads it too goes on."""

from __future__ import annotations

from contextlib import contextmanager
from typing import Any, Iterator

import torch
from pytorch_lightning.utilities.seed import isolate_rng
from torch.utils.data import DataLoader, IterableDataset

__all__ = ['streams_put_back', 'in_this_process']


@contextmanager
def streams_put_back(*loaders: Any) -> Iterator[None]:
    """Put all random streams back at the end: those of Python, NumPy and PyTorch, and the generators of PyTorch's loaders."""
    generators = [generator for loader in loaders for generator in _generators(loader)]
    states = [generator.get_state() for generator in generators]
    with isolate_rng():
        try:
            yield
        finally:
            for generator, state in zip(generators, states):
                generator.set_state(state)


def _generators(loader: Any) -> list[torch.Generator]:
    parts = [loader, getattr(loader, 'sampler', None), getattr(loader, 'batch_sampler', None)]
    found = [getattr(part, 'generator', None) for part in (*parts, getattr(parts[-1], 'sampler', None))]
    return list({id(generator): generator for generator in found if isinstance(generator, torch.Generator)}.values())


def in_this_process(loader: Any) -> Any:
    """A loader's batches without its worker processes, which go on with the training; other loaders as they are."""
    if not isinstance(loader, DataLoader) or not loader.num_workers:
        return loader
    same: dict[str, Any] = {'collate_fn': loader.collate_fn, 'generator': loader.generator}
    if isinstance(loader.dataset, IterableDataset):
        return DataLoader(loader.dataset, batch_size=loader.batch_size, drop_last=loader.drop_last, **same)
    if loader.batch_sampler is None:
        return DataLoader(loader.dataset, batch_size=None, sampler=loader.sampler, **same)
    return DataLoader(loader.dataset, batch_sampler=loader.batch_sampler, **same)
