"""(b) Architectures of equal multiply-adds: what each reaches when trained alone, and what the ratings say of them."""

from __future__ import annotations

import json
import time
from pathlib import Path
from typing import Any

import numpy as np

from agreement import agreement, ceiling, difference, reliability, tau
from images import CifarImages
from nni_dna.files import write_atomically
from one_shot import measure
from pictures import scatter
from study import StudySetup, make_setup, rate_all, ratings_of, train_alone, with_teacher
from variants import sections_for, sections_of

__all__ = ['Sample', 'draw', 'findings', 'rate', 'read_rows', 'report', 'sum_of_log_widths',
           'within_cells']

TOLERANCE = 0.05


def draw(setup: StudySetup, madds: int, count: int, seed: int = 0) -> list[dict[str, Any]]:
    """Different architectures of equal cost: a cell of each block at random, then a path of it, kept if the cost fits.

    Parameters
    ----------
    setup
        The study.
    madds
        Their multiply-adds, by at most 5% more or less.
    count
        How many.
    seed
        Of the draws.
    """
    rng, found = np.random.default_rng(seed), dict[tuple[int, ...], dict[str, Any]]()
    while len(found) < count:
        cells = [int(rng.integers(len(block.cells))) for block in setup.chain.blocks]
        paths = tuple(int(block.first_path(cell) + rng.integers(block.cells[cell].paths))
                      for block, cell in zip(setup.chain.blocks, cells))
        cost = setup.costs.total(setup.chain, paths)
        if abs(cost.madds / madds - 1) <= TOLERANCE:
            found.setdefault(paths, {'architecture': setup.chain.architecture(paths), 'params': cost.params,
                                     'madds': cost.madds})
    return list(found.values())


class Sample:
    """The sampled architectures, and what is known of them in a work folder.

    Each seed's accuracies are in a file of their own, ``alone-seed0.json``, and the ratings in ``ratings.json``; what is there is
    gone on from. So each seed may have a process of its own.

    Parameters
    ----------
    folder
        The work folder.
    setup
        The study.
    madds, count
        Of the architectures, as for `draw`.
    """

    def __init__(self, folder: Path, setup: StudySetup, madds: int, count: int):
        self._folder = folder
        self.drawn = draw(setup, madds, count)
        self.ratings: dict[str, list[list[float]]] = _known(folder / 'ratings.json')
        if _known(folder / 'sample.json').get('drawn', self.drawn) != self.drawn:
            raise ValueError(f'{folder}: expected the architectures that are drawn now, got others; use another --work')
        _write(folder / 'sample.json', {'drawn': self.drawn})

    def train(self, setup: StudySetup, images: CifarImages, epochs: int, seed: int) -> None:
        """Train every architecture that has no accuracy with this seed."""
        file = self._folder / f'alone-seed{seed}.json'
        accuracies = _known(file)
        for number, row in enumerate(self.drawn):
            if str(number) not in accuracies:
                started = time.process_time()
                accuracies[str(number)] = round(train_alone(setup, row['architecture'], images, epochs, seed), 4)
                _write(file, accuracies)
                print(f'seed {seed}, {number + 1} of {len(self.drawn)}: {accuracies[str(number)]:.4f} '
                      f'({time.process_time() - started:.0f} s of CPU)', flush=True)

    def keep(self, name: str, ratings: Any) -> None:
        """Put (architectures, blocks) ratings to the others."""
        self.ratings[name] = np.round(ratings, 6).tolist()
        _write(self._folder / 'ratings.json', self.ratings)


def _known(file: Path) -> dict[str, Any]:
    return json.loads(file.read_text()) if file.is_file() else {}


def _write(file: Path, found: dict[str, Any]) -> None:
    write_atomically(file, json.dumps(found).encode() + b'\n')


def read_rows(folder: Path) -> list[dict[str, Any]]:
    """The sampled architectures of a work folder, with their accuracy by seed as far as it is known."""
    by_seed = {file.stem.removeprefix('alone-seed'): _known(file) for file in sorted(folder.glob('alone-seed*.json'))}
    return [{**row, 'accuracy': {seed: found[str(number)] for seed, found in by_seed.items() if str(number) in found}}
            for number, row in enumerate(_known(folder / 'sample.json')['drawn'])]


def rate(sample: Sample, images: CifarImages, arguments: Any) -> None:
    """The ratings of the sample by each variant that is asked for, and by the one-shot supernet.

    Parameters
    ----------
    sample
        Takes the ratings.
    images
        CIFAR-10.
    arguments
        The command line.
    """
    architectures, seed = [row['architecture'] for row in sample.drawn], arguments.seed
    for variant in arguments.variants:
        sections = sections_of(arguments.space, variant, arguments.teacher, arguments.work)
        images.seed = seed
        setup = make_setup(images, arguments.work / f'{variant.replace(" ", "-")}-{seed}', sections, seed)
        sample.keep(f'{variant}, seed {seed}', ratings_of(setup, rate_all(setup), architectures))
    sections = with_teacher(sections_for(arguments.space), arguments.teacher)
    for times in arguments.one_shot:
        setup = make_setup(images, arguments.work / 'one-shot', sections, seed)
        measured = np.array(measure(setup.build_space, images, architectures, epochs=times * sections['distill']['epochs'],
                                    seed=seed, calibration=sections['rate']['calibration_images']))
        sample.keep(f'one-shot accuracy, {times}x images, seed {seed}', -measured[:, :1])
        sample.keep(f'one-shot cross entropy, {times}x images, seed {seed}', measured[:, 1:])


def findings(rows: list[dict[str, Any]], by_block: dict[str, list[list[float]]], resamples: int = 1000) -> dict[str, Any]:
    """What a sample shows: noise, and tau for each rating.

    Parameters
    ----------
    rows
        Of the sample. Of the seeds, those count with which all architectures were trained.
    by_block
        By name of the rating: (architectures, blocks).
    resamples
        Of the bootstrap.
    """
    seeds = sorted(set.intersection(*(set(row['accuracy']) for row in rows)), key=int)
    accuracies = np.array([[row['accuracy'][seed] for seed in seeds] for row in rows])
    mean = accuracies.mean(axis=1)
    found: dict[str, Any] = {'architectures': len(rows), 'seeds': len(seeds), 'accuracy': {
        'mean': mean.mean(), 'deviation between architectures': mean.std(ddof=1), 'lowest': mean.min(), 'highest': mean.max()}}
    if len(seeds) > 1:
        found['accuracy'] |= {'deviation between seeds': float(np.sqrt(accuracies.var(axis=1, ddof=1).mean())),
                              'correlation between seeds': reliability(accuracies), 'ceiling of tau': ceiling(accuracies)}
        found['accuracy']['tau between two seeds'] = tau(-accuracies[:, 0], accuracies[:, 1])
    ratings = {name: np.sum(blocks, axis=1) for name, blocks in by_block.items()}
    ratings |= {'parameters': -np.array([row['params'] for row in rows]),
                'multiply-adds': -np.array([row['madds'] for row in rows]),
                'sum of log widths': -sum_of_log_widths([row['architecture'] for row in rows]),
                'narrowest cell': -np.array([min(width for _, width in cells_of(row['architecture'])) for row in rows]),
                'fewest layers': np.array([sum(depth for depth, _ in cells_of(row['architecture'])) for row in rows])}
    found['accuracy'] = {key: round(float(value), 4) for key, value in found['accuracy'].items()}
    found['tau'] = {name: agreement(rating, mean, resamples=resamples).plain() for name, rating in ratings.items()}
    found['DNA less'] = {name: difference(ratings[ours], ratings[name], mean, resamples=resamples).plain()
                         for ours in ratings if ours.startswith('dna,') for name in ratings
                         if name.startswith('one-shot') and name.endswith(ours.removeprefix('dna'))}
    found['DNA less, mean of seeds'] = _margins(ratings, mean, resamples)
    found['pairs of the same cells'] = {name: dict(zip(('tau', 'pairs'), within_cells(rows, rating, mean)))
                                        for name, rating in ratings.items()}
    return found


def _margins(ratings: dict[str, np.ndarray], accuracy: np.ndarray, resamples: int) -> dict[str, Any]:
    """DNA's tau less that of one-shot ratings, each the mean over the seeds that both have."""
    found = {}
    for name in {name.rsplit(', seed ', 1)[0] for name in ratings if name.startswith('one-shot')}:
        seeds = [rating.rsplit(' ', 1)[1] for rating in ratings if rating.startswith(f'{name}, seed ')]
        both = [seed for seed in seeds if f'dna, seed {seed}' in ratings]
        ours, theirs = ([ratings[f'{rating}, seed {seed}'] for seed in both] for rating in ('dna', name))
        if both:
            found[f'{name}, {len(both)} seeds'] = difference(ours, theirs, accuracy, resamples=resamples).plain()
    return dict(sorted(found.items()))


def within_cells(rows: list[dict[str, Any]], rating: np.ndarray, accuracy: np.ndarray) -> tuple[float, int]:
    """Kendall's tau (a) over the pairs that differ in kernels and expansions only, and how many pairs these are."""
    cells = [cells_of(row['architecture']) for row in rows]
    signs = [np.sign(rating[j] - rating[i]) * np.sign(accuracy[i] - accuracy[j])
             for i in range(len(rows)) for j in range(i) if cells[i] == cells[j]]
    return round(float(np.mean(signs)), 4), len(signs)


def cells_of(architecture: dict[str, Any]) -> list[tuple[int, int]]:
    """Layers and width of each cell."""
    cells = [value.split('x') for label, value in architecture.items() if label.endswith('/cell')]
    return [(int(depth), int(width)) for depth, width in cells]


def sum_of_log_widths(architectures: list[dict[str, Any]]) -> np.ndarray:
    """(architectures,) Of the widths of all layers' outputs: each cell's width as often as it has layers."""
    return np.array([sum(depth * np.log(width) for depth, width in cells_of(architecture)) for architecture in architectures])


def report(arguments: Any) -> dict[str, Any]:
    """Draw the picture, print what was found, and give it with all that it follows from as JSON-able data."""
    rows, by_block = read_rows(arguments.work), _known(arguments.work / 'ratings.json')
    found = findings(rows, by_block)
    print(json.dumps(found, indent=1))
    accuracy = [np.mean([row['accuracy'][str(seed)] for seed in range(found['seeds'])]) for row in rows]
    shown = {'DNA: sum of ratings': 'dna, seed 0', 'one-shot: - accuracy': 'one-shot accuracy, 1x images, seed 0'}
    panels = {title: np.sum(by_block[name], axis=1) for title, name in shown.items()}
    panels['parameters'] = np.array([row['params'] for row in rows])
    taus = {title: f'{found["tau"][shown.get(title, title)]["tau"]:.2f}' for title in panels}
    scatter(arguments.picture, panels, accuracy, taus)
    networks = {file.stem.removeprefix('networks-'): _known(file) for file in sorted(arguments.work.glob('networks-*.json'))}
    return {'sections': sections_for(arguments.space), 'found': found, 'rows': rows, 'ratings': by_block, 'networks': networks}
