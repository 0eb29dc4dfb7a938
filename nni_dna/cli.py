"""``nni-dna``: check, show, report and compare, search again, export and transfer winners. No torch until a command needs
it."""

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
from typing import Any, Sequence

from .errors import NniDnaError
from .leaving import leave_quickly
from .settings.sections import SearchSettings

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

    latency = commands.add_parser('latency', help="measure an experiment's layers on this machine, for latency.file")
    latency.add_argument('config', type=Path, help="NNI's YAML file of the experiment")
    latency.add_argument('file', type=Path, help='file to write')
    latency.set_defaults(run=_latency)
    _add_search(commands)
    _add_export(commands)

    space = commands.add_parser('space', help='search-space files').add_subparsers(dest='action', required=True)
    export = space.add_parser('export', help="print a model space as NNI's search-space file")
    export.add_argument('name', help='dna, digits, proxylessnas, mobilenetv3, shufflenet, or the import path of a ModelSpace')
    export.set_defaults(run=_export)

    transfer = commands.add_parser('transfer', help='fine-tune a winner on another data set')
    transfer.add_argument('work', type=Path, help='the work folder of a finished experiment')
    transfer.add_argument('--rank', type=int, default=1, help='of the winner (default 1)')
    transfer.add_argument('--data', required=True, metavar='NAME[:PATH]',
                          help='cifar10:PATH, cifar100:PATH, imagefolder:PATH, digits, or the import path of a data function')
    transfer.add_argument('--recipe', default='transfer', help='as retrain.recipe (default transfer)')
    transfer.add_argument('--set', action='append', default=[], metavar='KEY=VALUE', dest='changes',
                          help='a setting of the sections data and retrain, such as data.image_size=224 or retrain.epochs=20')
    transfer.add_argument('--seed', type=int, default=0, help='of everything random (default 0)')
    transfer.add_argument('--output', type=Path, required=True, help='a new folder for the weights and transfer.json')
    transfer.set_defaults(run=_transfer)

    report = commands.add_parser('report', help='write a page with pictures of an experiment, finished or not; print its path')
    report.add_argument('work', type=Path, help='the work folder')
    report.add_argument('--output', metavar='FOLDER', type=Path, help='where to write it (default: report in the work folder)')
    report.set_defaults(run=_report)

    compare = commands.add_parser('compare', help='table and page of strategies compared (examples/compare)')
    compare.add_argument('work', type=Path, help='the folder that holds the records')
    compare.add_argument('--output', metavar='FOLDER', type=Path, help='where to write them (default: the folder itself)')
    compare.set_defaults(run=_compare)

    trust = commands.add_parser('trust', help='let a folder from elsewhere name code of yours to import; says which')
    trust.add_argument('work', type=Path, help='a work folder, or the folder that a transfer wrote')
    trust.set_defaults(run=_trust)

    arguments = parser.parse_args(argv)
    leave_quickly()
    try:
        print(arguments.run(arguments))
    except NniDnaError as error:
        print(f'{type(error).__name__}: {error}', file=sys.stderr)
        return 1
    return 0


def _add_search(commands: Any) -> None:
    search = commands.add_parser('search', help='search again over what an experiment has rated; trains nothing')
    search.add_argument('work', type=Path, help='the work folder')
    for name in SearchSettings().limits:
        search.add_argument(f'--{name.replace("_", "-")}', metavar='N', default=argparse.SUPPRESS,
                            help=f'limit on {name.removeprefix("max_")}, such as 4.2M; none lifts the experiment\'s own')
    search.add_argument('--top-k', metavar='K', type=int, default=argparse.SUPPRESS, help='how many architectures')
    search.add_argument('--weights', metavar='W', default=argparse.SUPPRESS,
                        help='how much each block counts: 1,1,2 or, for some blocks, block2=0.5; none makes them equal')
    search.add_argument('--front', metavar='COST', help='all best trade-offs with a cost (params, madds) instead of the best K')
    search.add_argument('--json', action='store_true', help='print it as ranking.json has it')
    search.add_argument('--output', metavar='FILE', type=Path, help='write it to a JSON file too')
    search.set_defaults(run=_search)


def _add_export(commands: Any) -> None:
    export = commands.add_parser('export', help='write a retrained winner to a file that needs no NNI')
    export.add_argument('work', type=Path, help='the work folder')
    export.add_argument('--rank', type=int, default=1, help='which winner (default 1, the best)')
    export.add_argument('--format', required=True, choices=['safetensors', 'pt', 'onnx', 'torch-export'],
                        help='weights (safetensors, pt) or a whole network for any batch size (onnx, torch-export)')
    export.add_argument('--output', metavar='FILE', type=Path, required=True,
                        help='the file; what is there is replaced, and FILE.json says what it holds')
    export.add_argument('--image-size', type=int, metavar='PIXELS',
                        help="height and width of the images (default: the experiment's)")
    export.set_defaults(run=_export_winner)


def _search(arguments: argparse.Namespace) -> str:
    from .searching import search_command
    names = ('top_k', 'weights', *SearchSettings().limits)
    given = {name: value for name, value in vars(arguments).items() if name in names}
    return search_command(arguments.work, given, arguments.front, arguments.json, arguments.output)


def _export_winner(arguments: argparse.Namespace) -> str:
    _mute_nni()
    from .exporting import export
    return export(arguments.work, arguments.rank, arguments.format, arguments.output, arguments.image_size).text()


def _check(arguments: argparse.Namespace) -> str:
    _mute_nni()
    from .campaign.check import check_config
    return check_config(arguments.config)


def _show(arguments: argparse.Namespace) -> str:
    if arguments.architecture is not None:
        _mute_nni()
        from .published import show_architecture
        return show_architecture(arguments.architecture, arguments.image_size)
    from .show import show
    return show(arguments.work)


def _latency(arguments: argparse.Namespace) -> str:
    _mute_nni()
    from .campaign.check import read_config
    from .campaign.latency import measure_into
    return measure_into(read_config(arguments.config)[1], arguments.file)


def _export(arguments: argparse.Namespace) -> str:
    _mute_nni()
    from .imports import add_to_path
    from .spaces import build_space, to_definition, without_memory
    add_to_path(Path.cwd())
    space = without_memory(lambda: build_space(arguments.name, {}, num_classes=10))
    return json.dumps(to_definition(space), indent=2)


def _transfer(arguments: argparse.Namespace) -> str:
    _mute_nni()
    from .imports import add_to_path
    from .retrain.transfer_command import run_transfer
    add_to_path(Path.cwd())
    return run_transfer(arguments.work, arguments.output, arguments.rank, arguments.data, arguments.recipe, arguments.changes,
                        arguments.seed)


def _report(arguments: argparse.Namespace) -> str:
    _mute_nni()
    logging.getLogger('pytorch_lightning').setLevel(logging.WARNING)  # an evaluator's trainer tells of the GPUs
    from .report import write_report
    return str(write_report(arguments.work, arguments.output))


def _compare(arguments: argparse.Namespace) -> str:
    from .compare.command import compare_command
    return compare_command(arguments.work, arguments.output)


def _trust(arguments: argparse.Namespace) -> str:
    from .trust import trust
    return trust(arguments.work.resolve())


def _mute_nni() -> None:
    # nni 3.0 warns of every new class in torch.nn that it does not know.
    warnings.filterwarnings('ignore', category=RuntimeWarning, module='nni')
    if find_spec('gym'):  # nni imports it where it is installed, and it says every time that it is no longer maintained
        with contextlib.redirect_stderr(io.StringIO()):
            importlib.import_module('gym')


if __name__ == '__main__':
    sys.exit(main())
