"""What does it save to distil all blocks and cells from one teacher pass, and what does the step cost beside its parts?

The supernets of all 16 cells of the space `dna` learn from an EfficientNet with random weights, on random images. Four ways, all
through Lightning, with channels last but for one, and with the same images, batch size and paths:

- joint: one task, one teacher pass a batch, up to the last stage;
- a task for each cell, and in each a pass of the whole teacher;
- the same in PyTorch's usual layout;
- a task for each cell, where the teacher stops at the cell's block: `distill.tasks: cell`.

The parts of the joint step alone: a teacher pass up to the last stage, forward and backward pass of each path, and the optimizer.
`--switches` also tells what each setting gives, one at a time. Tasks run in turn, the fastest of several steps counts for each,
by wall-clock and by processor time. The memory is what one step allocates at its peak on top of what is there before it (weights
and the optimizer's moments), by PyTorch's profiler on a CPU, and by its allocator on a GPU.

    OMP_WAIT_POLICY=PASSIVE python -W ignore benchmarks/distill.py --teachers b0 b7 --out benchmarks/data/distill.json
"""

from __future__ import annotations

import argparse
import json
import os
import platform
import sys
import time
from pathlib import Path
from typing import Any, Callable, Iterable, Sequence

import pytorch_lightning as pl
import torch
from torch.utils.data import DataLoader, TensorDataset

from nni_dna.campaign.config import ConfigSetup
from nni_dna.data.sources import TensorImages
from nni_dna.distill import BlockwiseDistillation, SupernetKey, distillation_loss
from nni_dna.lightning import compute_device, make_trainer
from nni_dna.settings import read_settings
from nni_dna.supernet import BlockSupernet
from nni_dna.teacher import StagedTeacher

Seconds = tuple[float, float]
"""By wall clock and by processor time."""

DEFAULT: dict[str, Any] = {'channels_last': True}
SWITCHES: dict[str, dict[str, Any]] = {'bf16': {'precision': 'bf16-mixed'}, 'channels_first': {'channels_last': False},
                                       'compiled_teacher': {'compile_teacher': True}}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument('--teachers', nargs='+', default=['b0', 'b7'], help='EfficientNets')
    parser.add_argument('--image-size', type=int, default=224)
    parser.add_argument('--batch-size', type=int, default=4)
    parser.add_argument('--steps', type=int, default=2, help='measured steps of each task in a round; one more comes before them')
    parser.add_argument('--rounds', type=int, default=2)
    parser.add_argument('--threads', type=int, default=1)
    parser.add_argument('--switches', nargs='*', default=[], choices=list(SWITCHES), help='settings to try, one at a time')
    parser.add_argument('--out', type=Path, help='JSON file; the results of other teachers in it stay')
    arguments = parser.parse_args()
    torch.set_num_threads(arguments.threads)
    for teacher in arguments.teachers:
        row = Measurement(teacher, arguments).row()
        print(lines(row), flush=True)
        if arguments.out:
            keep(arguments.out, row)


def random_images(root: None, size: int) -> tuple[TensorImages, TensorImages]:
    """Enough for the settings to be valid; the steps have images of their own."""
    images = TensorImages(torch.zeros(64, 3, size, size, dtype=torch.uint8), [number % 4 for number in range(64)])
    return images, images


class WholeTeacher(StagedTeacher):
    """Runs the whole network whatever is asked for."""

    def forward(self, images: torch.Tensor, count: int | None = None) -> list[torch.Tensor]:
        return super().forward(images)[:count]


WAYS: list[tuple[str, type[StagedTeacher], dict[str, Any]]] = [
    ('a task per cell, whole teacher', WholeTeacher, {}),
    ('the same in the usual layout', WholeTeacher, {'channels_last': False}),
    ('a task per cell, teacher up to its stage', StagedTeacher, {})]


class Clock(pl.Callback):
    """The time of each step, data and start-up not included."""

    def __init__(self) -> None:
        self.steps: list[Seconds] = []

    def on_train_batch_start(self, *_: Any) -> None:
        self._begin = now()

    def on_train_batch_end(self, *_: Any) -> None:
        self.steps.append(since(self._begin))


class Measurement:
    """All that is measured with one teacher.

    Parameters
    ----------
    teacher
        ``b0`` to ``b7``.
    arguments
        Of the command line.
    """

    def __init__(self, teacher: str, arguments: argparse.Namespace):
        self.name, self.arguments, self.device = teacher, arguments, compute_device()
        self.setup = self._setup({})
        self.network = self.setup.untrained_teacher()
        self.supernets: dict[SupernetKey, BlockSupernet] = {
            (b, s): self.setup.supernet(self.setup.build_space(), b, name) for b, s, _, name in self.setup.chain.supernets()}
        images = torch.randn(arguments.batch_size, 3, arguments.image_size, arguments.image_size,
                             generator=torch.Generator().manual_seed(0))
        self.images = images

    def _setup(self, distill: dict[str, Any]) -> ConfigSetup:
        size = self.arguments.image_size
        return ConfigSetup(read_settings({
            'work': 'never_written', 'space': {'name': 'dna'}, 'distill': {'epochs': 1, **DEFAULT, **distill},
            'data': {'name': 'distill.random_images', 'args': {'size': size}, 'image_size': size, 'holdout_per_class': 1},
            'teacher': {'name': f'efficientnet_{self.name}', 'weights': 'train'}}, Path.cwd()), {})

    def row(self) -> dict[str, Any]:
        """The results, JSON-able."""
        every = list(self.supernets)
        joint: list[Seconds] = []
        alone: dict[str, list[dict[SupernetKey, Seconds]]] = {kind: [] for kind, _, _ in WAYS}
        parts: list[dict[str, Seconds]] = []
        for _ in range(self.arguments.rounds):
            joint.append(self.fit(every, StagedTeacher))
            for kind, make, distill in WAYS:
                alone[kind].append({key: self.fit([key], make, distill) for key in every})
            parts.append(self.parts())
        best = {kind: {key: fastest(found[key] for found in rounds) for key in every} for kind, rounds in alone.items()}
        part = {name: fastest(found[name] for found in parts) for name in parts[0]}
        switches = {name: self.fit(every, StagedTeacher, SWITCHES[name]) for name in self.arguments.switches}
        targets = self.teacher(StagedTeacher)(self.images.to(self.device))
        return {'teacher': f'efficientnet_{self.name}', 'image_size': self.arguments.image_size,
                'batch_size': self.arguments.batch_size, 'cells': len(every), 'joint': fastest(joint),
                **{kind: total(found.values()) for kind, found in best.items()},
                'parts': part, 'switches': switches, 'memory': {
                    'joint': self.memory(every), 'largest_cell': max(self.memory([key]) for key in every),
                    'teacher_outputs': sum(target.nbytes for target in targets),
                    'gradients': self.gradients(every)},
                'device': torch.cuda.get_device_name() if self.device.type == 'cuda' else platform.processor() or 'cpu',
                'threads': self.arguments.threads, 'command': ' '.join(['python', *sys.argv]), 'load': os.getloadavg(),
                'torch': torch.__version__, 'lightning': pl.__version__}

    def teacher(self, make: type[StagedTeacher]) -> StagedTeacher:
        """The teacher in stages."""
        return make(self.network, self.setup.matching.stages).to(self.device)

    def module(self, keys: Sequence[SupernetKey], make: type[StagedTeacher], distill: dict[str, Any]) -> BlockwiseDistillation:
        """What Lightning trains; the paths of a supernet do not depend on what trains beside it."""
        settings = self._setup(distill).settings.distill
        teacher = self.teacher(make)
        if settings.compile_teacher:
            teacher.compile()
        return BlockwiseDistillation(teacher, {key: self.supernets[key] for key in keys}, settings, 0, lambda means: None)

    def fit(self, keys: Sequence[SupernetKey], make: type[StagedTeacher], distill: dict[str, Any] | None = None) -> Seconds:
        """The fastest step of a task."""
        clock, steps = Clock(), 1 + self.arguments.steps
        trainer = make_trainer(1, callbacks=[clock], precision=(distill or {}).get('precision', '32'))
        trainer.fit(self.module(keys, make, distill or {}), self.batches(steps))
        return fastest(clock.steps[1:])

    def batches(self, count: int) -> DataLoader:
        """The same batch as often as is asked for."""
        return DataLoader(TensorDataset(self.images.repeat(count, 1, 1, 1)), batch_size=len(self.images))

    def parts(self) -> dict[str, Seconds]:
        """The parts of the joint step, each alone: the sum over all cells for the paths and for the optimizer."""
        teacher, images = self.teacher(StagedTeacher), self.images.to(self.device)
        module = self.module(list(self.supernets), StagedTeacher, {}).to(self.device)
        targets = teacher(images)
        inputs = [images, *targets[:-1]]
        module.trainer = make_trainer(1)
        optimizer = module.configure_optimizers()[0][0]
        sampler = module._sampler
        paths, steps = [], []
        for _ in range(1 + self.arguments.steps):
            found = []
            for (key, cell, path), in sampler.chains():
                begin = now()
                distillation_loss(self.supernets[key](inputs[key[0]], cell, path), targets[key[0]]).backward()
                found.append(since(begin))
            paths.append(total(found))
            begin = now()
            optimizer.step()
            optimizer.zero_grad()
            steps.append(since(begin))
        count = len(teacher.stages)
        return {'teacher': fastest([timed(lambda: teacher(images, count)) for _ in range(1 + self.arguments.steps)][1:]),
                'paths': fastest(paths[1:]), 'optimizer': fastest(steps[1:])}

    def memory(self, keys: Sequence[SupernetKey]) -> int:
        """Bytes that a step allocates at its peak, in the second of two steps."""
        peak = Peak(self.device)
        make_trainer(1, callbacks=[peak]).fit(self.module(keys, StagedTeacher, {}), self.batches(2))
        return peak.bytes

    def gradients(self, keys: Sequence[SupernetKey]) -> int:
        """Bytes of the gradients of the last step's paths."""
        return sum(weight.grad.nbytes for key in keys for weight in self.supernets[key].parameters() if weight.grad is not None)


class Peak(pl.Callback):
    """The most that is allocated during the last step, beyond what was there before it."""

    def __init__(self, device: torch.device) -> None:
        self._cuda = device.type == 'cuda'

    def on_train_batch_start(self, trainer: pl.Trainer, module: pl.LightningModule, batch: Any, batch_idx: int) -> None:
        if self._cuda:
            torch.cuda.reset_peak_memory_stats()
            self._before = torch.cuda.memory_allocated()
        else:
            self._profile = torch.profiler.profile(activities=[torch.profiler.ProfilerActivity.CPU], profile_memory=True)
            self._profile.__enter__()

    def on_train_batch_end(self, *_: Any) -> None:
        if self._cuda:
            self.bytes = torch.cuda.max_memory_allocated() - self._before
            return
        self._profile.__exit__(None, None, None)
        held = self.bytes = 0
        events = [event for event in self._profile.profiler.kineto_results.events() if event.name() == '[memory]']
        for event in sorted(events, key=lambda event: event.start_ns()):
            held += event.nbytes()
            self.bytes = max(self.bytes, held)


def now() -> Seconds:
    if torch.cuda.is_available():
        torch.cuda.synchronize()
    return time.perf_counter(), time.process_time()


def since(begin: Seconds) -> Seconds:
    wall, cpu = now()
    return wall - begin[0], cpu - begin[1]


def timed(run: Callable[[], object]) -> Seconds:
    begin = now()
    run()
    return since(begin)


def fastest(found: Iterable[Seconds]) -> Seconds:
    walls, cpus = zip(*found)
    return min(walls), min(cpus)


def total(found: Iterable[Seconds]) -> Seconds:
    walls, cpus = zip(*found)
    return sum(walls), sum(cpus)


def lines(row: dict[str, Any]) -> str:
    """The results for people."""
    joint, parts, memory = row['joint'], total(row['parts'].values()), row['memory']

    def against(name: str, found: Seconds, times: Seconds) -> str:
        return f'{name:42}{found[0]:9.3f} s{times[0]:8.2f}{times[1]:8.2f} (processor)'

    def over(a: Seconds, b: Seconds) -> Seconds:
        return a[0] / b[0], a[1] / b[1]

    text = [f'{row["teacher"]}, {row["image_size"]} px, batches of {row["batch_size"]}, {row["device"]}',
            against('joint step', joint, (1, 1)),
            *(against(kind, row[kind], over(row[kind], joint)) for kind, _, _ in WAYS),
            against('parts of the joint step', parts, over(parts, joint))]
    text += [against(f'  {name}', found, over(found, joint)) for name, found in row['parts'].items()]
    text.append(f'overhead: {joint[0] / parts[0]:.2f} times its parts, {joint[1] / parts[1]:.2f} by processor time')
    text += [against(f'joint step, {name}', found, over(found, joint)) for name, found in row['switches'].items()]
    text.append(f'peak memory of a step, MiB: joint {memory["joint"] / 2**20:.0f}; largest cell '
                f'{memory["largest_cell"] / 2**20:.0f}, teacher outputs {memory["teacher_outputs"] / 2**20:.0f}, gradients '
                f'{memory["gradients"] / 2**20:.0f}')
    return '\n'.join(text)


def keep(file: Path, row: dict[str, Any]) -> None:
    """Put a result in the place of the last one of its kind."""
    def kind(row: dict[str, Any]) -> tuple:
        return row['teacher'], row['image_size'], row['device']

    rows = json.loads(file.read_text()) if file.exists() else []
    rows = sorted([*(other for other in rows if kind(other) != kind(row)), row], key=kind)
    file.write_text(json.dumps(rows, indent=2) + '\n')


if __name__ == '__main__':
    main()
