"""How long does the distillation take on 1 to 64 GPUs, by the way in which `distill.tasks` shares the supernets among tasks?

A simulation from measured times, not a run on that many GPUs. `--measure` times the teacher up to each stage and a training step
of each supernet of the space `dna` (a path forward and back), as the campaign does for `distill.tasks: N`, and counts the
multiply-adds of each supernet's rating; `data/rate.json` says how long a multiply-add takes there. A task then takes its
start-up, its steps (the teacher up to the task's last block, and a path of each of its supernets), and the rating of all its
paths. Each GPU takes the next task of the campaign's order when it is free. The bound that no schedule of these tasks beats is
the longest task, or their sum over the GPUs.

    python -W ignore benchmarks/makespan.py --measure              # about two minutes, on an idle machine
    python -W ignore benchmarks/makespan.py --picture docs/images/makespan.png
"""

from __future__ import annotations

import argparse
import heapq
import json
import os
import platform
import statistics
import sys
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Mapping, Sequence

import torch

from nni_dna.distill import SupernetKey
from nni_dna.distill.loads import Loads, balanced
from nni_dna.teacher import StagedTeacher

DATA = Path(__file__).parent / 'data'
FILE = DATA / 'makespan.json'
GPUS = 1, 2, 4, 6, 8, 16, 32, 64
WAYS = 'joint', 'block', 'cell', 'N = GPUs'
COUNTED = 'rating too'
"""As many tasks as GPUs, shared as if the rating counted; no setting does that."""
START = 7.2
"""Seconds until a trial's first step: `data/startup.json`."""
PATHS = 7
"""Random paths of each supernet that are timed, after one that is not."""


@dataclass(frozen=True, kw_only=True)
class Campaign:
    """What the distillation of a space takes on one device.

    Attributes
    ----------
    loads
        Seconds of a step for one image: the teacher up to each block, and a path of each supernet.
    rating
        Seconds in which all paths of a supernet are rated on one image; the teacher is not in it.
    training, held_out
        Images of the training, over all epochs, and of the rating.
    """

    loads: Loads
    rating: Mapping[SupernetKey, float]
    training: int
    held_out: int

    def seconds(self, group: Sequence[SupernetKey]) -> float:
        """How long a task of these supernets takes."""
        teacher = self.loads.teacher[max(block for block, _ in group)]
        return START + self.training * self.loads.of(group) + self.held_out * (teacher + sum(self.rating[key] for key in group))

    def groups(self, way: str, gpus: int) -> list[list[SupernetKey]]:
        """The supernets of each task, in the campaign's order."""
        keys = sorted(self.loads.supernets)
        if way == 'joint':
            return [keys]
        if way == 'block':
            return [[key for key in keys if key[0] == block] for block in range(len(self.loads.teacher))]
        if way == 'cell':
            return [[key] for key in keys]
        share = self.held_out / self.training if way == COUNTED else 0.0
        return balanced(Loads(teacher=self.loads.teacher, supernets={
            key: seconds + share * self.rating[key] for key, seconds in self.loads.supernets.items()}), gpus)

    def tasks(self, way: str, gpus: int) -> list[float]:
        """Seconds of each task."""
        return [self.seconds(group) for group in self.groups(way, gpus)]

    def least(self, gpus: int) -> float:
        """What no sharing of whole supernets beats: the longest supernet alone, or all of them from one teacher pass, divided."""
        keys = sorted(self.loads.supernets)
        return max(max(self.seconds([key]) for key in keys), self.seconds(keys) / gpus)


def makespan(tasks: Sequence[float], gpus: int) -> float:
    """When the last task ends: in their order, each goes to the GPU that is free first."""
    free = [0.0] * gpus
    for seconds in tasks:
        heapq.heappush(free, heapq.heappop(free) + seconds)
    return max(free)


def bound(tasks: Sequence[float], gpus: int) -> float:
    """What no schedule of these tasks beats: the longest, or an equal share of all."""
    return max(max(tasks), sum(tasks) / gpus)


def measure() -> dict[str, Any]:
    """Times and counts of the space `dna` at 224 pixels, in seconds and multiply-adds for one image."""
    import rate
    from distill import Measurement
    images, rows = 4, {}
    for name in 'b0', 'b7':
        measurement = Measurement(name, argparse.Namespace(image_size=224, batch_size=images))
        names = {(b, s): f'{block.name}/{cell}' for b, s, block, cell in measurement.setup.chain.supernets()}
        loads = processor_loads(measurement)
        rows[name] = {'teacher': [seconds / images for seconds in loads.teacher],
                      'supernets': {names[key]: seconds / images for key, seconds in loads.supernets.items()}}
        print(name, f'teacher {rows[name]["teacher"][-1]:.3f}, paths {sum(rows[name]["supernets"].values()):.3f}', flush=True)
    madds = {}
    for b, _, block, name in measurement.setup.chain.supernets():
        _, cell, steps = rate.build(b, name)
        madds[f'{block.name}/{name}'] = rate.traversed(steps, [cell.digits(path) for path in range(cell.paths)])
    return {'teachers': rows, 'rating_madds': madds, 'rating_seconds_per_madd': seconds_per_madd(madds),
            'device': platform.processor() or 'cpu', 'threads': torch.get_num_threads(), 'torch': torch.__version__,
            'load': os.getloadavg(), 'command': ' '.join(['python', *sys.argv])}


def processor_loads(measurement: Any) -> Loads:
    """What `measure_loads` measures, in processor seconds, which other processes disturb less."""
    from distill import timed
    from nni_dna.distill import distillation_loss
    teacher, images = measurement.teacher(StagedTeacher), measurement.images
    module = measurement.module(list(measurement.supernets), StagedTeacher, {})
    targets = teacher(images)
    inputs = [images, *targets[:-1]]
    seconds = [min(timed(lambda: teacher(images, count))[1] for _ in range(3)) for count in range(1, len(targets) + 1)]
    found: dict[SupernetKey, list[float]] = {key: [] for key in measurement.supernets}
    for _ in range(1 + PATHS):
        for (key, cell, path), in module._sampler.chains():
            found[key].append(timed(lambda: distillation_loss(
                measurement.supernets[key](inputs[key[0]], cell, path), targets[key[0]]).backward())[1])
    return Loads(teacher=seconds, supernets={key: statistics.median(times[1:]) for key, times in found.items()})


def seconds_per_madd(madds: Mapping[str, int]) -> float:
    """Processor seconds of the rating per multiply-add: the median of the cells that `rate.py` measured."""
    measured = {row['cell']: row for row in json.loads((DATA / 'rate.json').read_text())}
    return statistics.median(row['seconds']['rate']['cpu'] / row['images'] / madds[name] for name in madds
                             if (row := measured.get(name.partition('/')[2])) is not None)


def read(teacher: str, epochs: int, images: int, held_out: int) -> Campaign:
    """The stored measurement as a campaign."""
    found = json.loads(FILE.read_text())
    names = sorted(found['rating_madds'])
    blocks = sorted({name.partition('/')[0] for name in names})
    keys: dict[str, SupernetKey] = {}
    for name in found['rating_madds']:  # in the chain's order
        block = blocks.index(name.partition('/')[0])
        keys[name] = (block, sum(key[0] == block for key in keys.values()))
    row = found['teachers'][teacher]
    return Campaign(loads=Loads(teacher=row['teacher'], supernets={keys[name]: row['supernets'][name] for name in keys}),
                    rating={keys[name]: madds * found['rating_seconds_per_madd']
                            for name, madds in found['rating_madds'].items()},
                    training=epochs * images, held_out=held_out)


def table(campaign: Campaign, gpus: Sequence[int]) -> list[str]:
    """Makespans by way and number of GPUs, in shares of the joint task's, and by how much each misses its bound."""
    joint = campaign.tasks('joint', 1)[0]
    lines = [f'{"GPUs":>5}' + ''.join(f'{way:>10}{"of bound":>10}' for way in (*WAYS, COUNTED)) + f'{"least":>10}']
    for count in gpus:
        parts = []
        for way in (*WAYS, COUNTED):
            tasks = campaign.tasks(way, count)
            length = makespan(tasks, count)
            parts.append(f'{length / joint:10.3f}{length / bound(tasks, count):10.2f}')
        lines.append(f'{count:5}' + ''.join(parts) + f'{campaign.least(count) / joint:10.3f}')
    return lines


def draw(campaigns: Mapping[str, Campaign], file: Path) -> None:
    """Makespans against the number of GPUs, a panel for each teacher."""
    import matplotlib
    matplotlib.use('Agg')
    from matplotlib import pyplot as plt
    figure, panels = plt.subplots(1, len(campaigns), figsize=(9, 3.8), layout='constrained', sharey=True, squeeze=False)
    for axes, (name, campaign) in zip(panels[0], campaigns.items()):
        joint = campaign.tasks('joint', 1)[0]
        counts = range(1, 65)
        for way, style in zip(WAYS, ('C7-', 'C2-', 'C1-', 'C0o-')):
            axes.plot(counts, [makespan(campaign.tasks(way, gpus), gpus) / joint for gpus in counts], style, ms=3,
                      label=f'distill.tasks: {way}')
        axes.plot(counts, [campaign.least(gpus) / joint for gpus in counts], 'k:', label='lower bound')
        axes.set(title=f'teacher EfficientNet-{name.upper()}', xlabel='GPUs', xscale='log', yscale='log')
        axes.set_xticks(ticks := [1, 2, 4, 8, 16, 32, 64], [str(tick) for tick in ticks])
        axes.minorticks_off()
        axes.grid(alpha=0.3)
    ticks_up = [0.1, 0.2, 0.5, 1, 2, 5]
    panels[0][0].set_yticks(ticks_up, [str(tick) for tick in ticks_up])
    panels[0][0].set_ylabel('time until all is distilled and rated\n(one task for all on one GPU = 1)')
    panels[0][0].legend(fontsize=8)
    figure.savefig(file, dpi=110)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument('--measure', action='store_true', help=f'first write {FILE.name} anew')
    parser.add_argument('--epochs', type=int, default=20)
    parser.add_argument('--images', type=int, default=1_231_167, help='to train on')
    parser.add_argument('--held-out', type=int, default=50_000, help='to rate on')
    parser.add_argument('--picture', type=Path, help='PNG file')
    arguments = parser.parse_args()
    if arguments.measure:
        torch.set_num_threads(1)
        FILE.write_text(json.dumps(measure(), indent=2) + '\n')
    campaigns = {name: read(name, arguments.epochs, arguments.images, arguments.held_out) for name in ('b0', 'b7')}
    for name, campaign in campaigns.items():
        print(f'EfficientNet-{name.upper()}; 1 = {campaign.tasks("joint", 1)[0] / 86_400:,.0f} days of the measured device',
              *table(campaign, GPUS), sep='\n')
    if arguments.picture:
        draw(campaigns, arguments.picture)


if __name__ == '__main__':
    main()
