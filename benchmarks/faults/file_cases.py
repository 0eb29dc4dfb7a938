"""Faults of files, of the disk and of the clock: the campaign runs in this process and is opened again, as after a restart."""

from __future__ import annotations

import random
import subprocess
import time
from contextlib import suppress
from pathlib import Path
from typing import Callable
from unittest import mock

import faulty
import hosts
from record import Row, Watch

from nni_dna.campaign.campaign import Campaign
from nni_dna.campaign.config import ConfigSetup
from nni_dna.errors import NniDnaError
from nni_dna.phases import run_campaign
from nni_dna.settings import read_settings

__all__ = ['cut_files', 'full_disk', 'read_only', 'clock_jumps']

_CODE = Path(__file__).resolve().parent


class Interrupted(BaseException):
    """In place of a crash: nothing catches it."""


def _go_on(work: Path) -> None:
    campaign = Campaign(ConfigSetup(read_settings(hosts.settings(work), work.parent), {}), _CODE)
    try:
        run_campaign(campaign)
    finally:
        campaign.close()


def _disturb(folder: Path, work: Path, seed: int, fault: Callable[[Watch], None], repair: Callable[[Watch], None]) -> Watch:
    """A fault in each phase; what comes of it, a repair, and on with the campaign."""
    watch = Watch(work)
    hosts.plan_faults(folder / 'plan', 'call', seed)
    with mock.patch.object(faulty, 'hook', lambda: fault(watch)):
        for _ in range(20):
            try:
                _go_on(work)
                return watch
            except NniDnaError as error:
                if type(error).__name__ not in watch.ends:
                    watch.ends.append(type(error).__name__)
            except Interrupted:
                pass
            repair(watch)
    raise AssertionError(f'{work}: not done after 20 starts')


def cut_files(folder: Path, undisturbed: Path, seed: int) -> list[Row]:
    """A crash in each phase, after which the file that was written last is cut somewhere."""
    rows = []
    for name, pattern in [('the journal', 'journal.jsonl'), ('a table', 'distill/**/ratings.npz'),
                          ('weights', '*/**/*.safetensors'), ('a result', '*/**/result.json'),
                          ('a checkpoint', 'retrain/*/*.ckpt')]:
        rng, work = random.Random(seed), folder / name / 'work'
        work.parent.mkdir(parents=True)

        def crash(watch: Watch) -> None:
            raise Interrupted

        def cut(watch: Watch) -> None:
            files = sorted(work.glob(pattern), key=lambda file: file.stat().st_mtime_ns)
            if files:
                content = files[-1].read_bytes()
                last = content.rstrip(b'\n').rfind(b'\n') + 1 if name == 'the journal' else 0  # lines before it were synced
                task = '/'.join(files[-1].relative_to(work).parts[:-1])
                # The supernets of all cells of a block lie in folders of their own: the folder is the task's.
                watch.note(damaged=[task] if name != 'a checkpoint' else [])
                files[-1].write_bytes(content[:rng.randrange(last, len(content))])

        watch = _disturb(folder / name, work, seed, crash, cut)
        rows.append(watch.row(f'{name} cut off', undisturbed))
    return rows


def _mounted(folder: Path, size: str) -> str:
    """Mount a small tmpfs; what hinders it, if anything."""
    folder.mkdir(parents=True)
    done = subprocess.run(['mount', '-t', 'tmpfs', '-o', f'size={size}', 'tmpfs', str(folder)], capture_output=True, text=True)
    return done.stderr.strip()


def full_disk(folder: Path, undisturbed: Path, seed: int) -> list[Row | str]:
    """The disk becomes full in each phase; then there is room again."""
    disk = folder / 'disk'
    if said := _mounted(disk, '8m'):
        return [f'disk full: NOT RUN, since a tmpfs could not be mounted ({said})']
    try:
        def fill(watch: Watch) -> None:
            watch.note()
            with suppress(OSError), (disk / 'ballast').open('ab', buffering=0) as file:
                while True:
                    file.write(b'0' * 512)

        watch = _disturb(folder, disk / 'work', seed, fill, lambda watch: (disk / 'ballast').unlink(missing_ok=True))
        return [watch.row('disk full, in each phase', undisturbed)]
    finally:
        subprocess.run(['umount', '-l', str(disk)], check=True)


def read_only(folder: Path, undisturbed: Path, seed: int) -> list[Row | str]:
    """The work folder becomes read-only in each phase (``chattr +i``, which binds root too); then it can be written again."""
    work = folder / 'work'
    folder.mkdir(parents=True)

    def change(flag: str) -> subprocess.CompletedProcess:
        return subprocess.run(['chattr', '-R', flag, str(work)], capture_output=True, text=True)

    work.mkdir()
    if change('+i').returncode:
        return ['read-only folder: NOT RUN, since chattr +i is refused here']
    change('-i')
    try:
        def close(watch: Watch) -> None:
            watch.note()
            assert change('+i').returncode == 0

        watch = _disturb(folder, work, seed, close, lambda watch: change('-i'))
        return [watch.row('folder read-only, in each phase', undisturbed)]
    finally:
        change('-i')


def clock_jumps(folder: Path, undisturbed: Path, seed: int) -> Row:
    """The clock jumps by up to a year, back or forth, in each phase."""
    rng, real, offset = random.Random(seed), time.time, 0.0
    folder.mkdir(parents=True)

    def jump(watch: Watch) -> None:
        nonlocal offset
        watch.note()
        offset = rng.uniform(-1, 1) * 365 * 86400

    with mock.patch.object(time, 'time', lambda: real() + offset):
        watch = _disturb(folder, folder / 'work', seed, jump, lambda watch: None)
    return watch.row('the clock jumps, in each phase', undisturbed, timed=False)
