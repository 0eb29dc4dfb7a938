"""``nni-dna``: check a config, show and report a campaign, write search-space files. No torch until a command needs it."""

from __future__ import annotations

import argparse
import contextlib
import importlib
import io
import json
import logging
import sys
import warnings
from importlib.util import find_spec
from pathlib import Path
from typing import Sequence

from .errors import NniDnaError

__all__ = ['main']


def main(argv: Sequence[str] | None = None) -> int:
    """Run the command line. Returns 0, or 1 after an error, or 2 after a wrong call."""
    parser = argparse.ArgumentParser(prog='nni-dna', description='Block-wise NAS with knowledge distillation for NNI.')
    commands = parser.add_subparsers(dest='command', required=True)

    check = commands.add_parser('check', help='check all that can be checked in an experiment before it is started')
    check.add_argument('config', type=Path, help="NNI's YAML file of the experiment")
    check.set_defaults(run=_check)

    show = commands.add_parser('show', help='phase, progress and ranking of an experiment; or a published architecture')
    what = show.add_mutually_exclusive_group(required=True)
    what.add_argument('work', type=Path, nargs='?', help='the work folder')
    what.add_argument('--architecture', metavar='NAME', help='build and count dna-a, dna-b, dna-c or dna-d instead')
    show.add_argument('--image-size', type=int, default=224, help='pixels, for --architecture (default 224)')
    show.set_defaults(run=_show)

    space = commands.add_parser('space', help='search-space files').add_subparsers(dest='action', required=True)
    export = space.add_parser('export', help="print a model space as NNI's search-space file")
    export.add_argument('name', help='dna, digits, proxylessnas, mobilenetv3, shufflenet, or the import path of a ModelSpace')
    export.set_defaults(run=_export)

    report = commands.add_parser('report', help='write a page with pictures of an experiment, finished or not; print its path')
    report.add_argument('work', type=Path, help='the work folder')
    report.add_argument('--output', metavar='FOLDER', type=Path, help='where to write it (default: report in the work folder)')
    report.set_defaults(run=_report)

    arguments = parser.parse_args(argv)
    try:
        print(arguments.run(arguments))
    except NniDnaError as error:
        print(f'{type(error).__name__}: {error}', file=sys.stderr)
        return 1
    return 0


def _check(arguments: argparse.Namespace) -> str:
    _mute_nni()
    from .campaign.check import check_config
    return check_config(arguments.config)


def _show(arguments: argparse.Namespace) -> str:
    if arguments.architecture:
        _mute_nni()
        from .published import show_architecture
        return show_architecture(arguments.architecture, arguments.image_size)
    from .show import show
    return show(arguments.work)


def _export(arguments: argparse.Namespace) -> str:
    _mute_nni()
    from .imports import add_to_path
    from .spaces import build_space, to_definition, without_memory
    add_to_path(Path.cwd())
    space = without_memory(lambda: build_space(arguments.name, {}, num_classes=10))
    return json.dumps(to_definition(space), indent=2)


def _report(arguments: argparse.Namespace) -> str:
    _mute_nni()
    logging.getLogger('pytorch_lightning').setLevel(logging.WARNING)  # an evaluator's trainer tells of the GPUs
    from .report import write_report
    return str(write_report(arguments.work, arguments.output))


def _mute_nni() -> None:
    # nni 3.0 warns of every new class in torch.nn that it does not know.
    warnings.filterwarnings('ignore', category=RuntimeWarning, module='nni')
    if find_spec('gym'):  # nni imports it where it is installed, and it says every time that it is no longer maintained
        with contextlib.redirect_stderr(io.StringIO()):
            importlib.import_module('gym')


if __name__ == '__main__':
    sys.exit(main())
