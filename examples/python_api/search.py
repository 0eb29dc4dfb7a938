"""One search with NNI's Python API on handwritten digits: NNI's own one-shot strategies, and DNA beside them.

``python examples/python_api/search.py --strategy darts`` takes minutes on a CPU and needs no network. See README.md.
"""

import argparse
import os
import time
from pathlib import Path
from typing import Any

import quiet  # noqa: F401  (first: see there)

import nni
import pytorch_lightning as pl
import torch
from nni.nas import strategy as nas
from nni.nas.evaluator.pytorch import Classification, DataLoader
from nni.nas.experiment import NasExperiment, NasExperimentConfig
from nni.nas.hub.pytorch import MobileNetV3Space, ProxylessNAS, ShuffleNetSpace
from nni.nas.nn.pytorch import ModelSpace
from nni.nas.profiler.pytorch.flops import NumParamsProfiler
from nni.nas.space import model_context

from digits_data import IMAGE_SIZE, NUM_CLASSES, Digits
from one_shot import madds_profiler, make_evaluator, one_shot_strategy
from own_space import OwnSpace

# NNI's hub has these spaces for ImageNet. At 32 pixels, on a CPU, narrow networks do, and take minutes. ShuffleNetSpace's
# widths are fixed; ProxylessNAS's depths too.
SPACES = {
    'proxylessnas': lambda: ProxylessNAS(NUM_CLASSES, base_widths=(8, 8, 8, 16, 24, 24, 32, 32, 64)),
    'shufflenet': lambda: ShuffleNetSpace(NUM_CLASSES),
    'mobilenetv3': lambda: MobileNetV3Space(NUM_CLASSES, base_widths=(16, 16, 16, 16, 24, 32, 48, 64, 96), depth_range=(1, 2),
                                            width_multipliers=(0.5, 1.0), expand_ratios=(3., 6.)),
    'own': lambda: OwnSpace(num_classes=NUM_CLASSES),
}
STRATEGIES = ('dna', 'darts', 'enas', 'gumbel', 'proxyless', 'random')
RANDOM_SAMPLES = 50     # architectures that the strategy `random` rates with the trained supernet
IMAGES = torch.zeros(2, 3, IMAGE_SIZE, IMAGE_SIZE)  # what NNI's profilers find the layers' sizes with
HERE = Path(__file__).resolve().parent


def arguments() -> argparse.Namespace:
    """The command line."""
    def whole(text: str) -> int:
        return int(float(text))

    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument('--strategy', choices=STRATEGIES, default='dna')
    parser.add_argument('--space', choices=list(SPACES), default='proxylessnas')
    parser.add_argument('--epochs', type=int, default=6, help='of the search, and of the training of what it found')
    parser.add_argument('--seed', type=int, default=0)
    parser.add_argument('--images', type=int, metavar='N', help='take so few training and validation images, for a first try')
    parser.add_argument('--max-params', type=whole, metavar='N', help='such as 2e5')
    parser.add_argument('--max-madds', type=whole, metavar='N', help='such as 2e6')
    only_dna = parser.add_argument_group('dna only')
    only_dna.add_argument('--engine', choices=('ts', 'sequential'), default='ts',
                          help="trials on NNI's training service, with the web UI; or one after another in this process")
    only_dna.add_argument('--port', type=int, default=8080, help='of the web UI')
    only_dna.add_argument('--work', type=Path, help='the work folder (default: work/SPACE beside the script)')
    only_dna.add_argument('--max-paths', type=int, default=2000, help='as many paths of a block are rated')
    only_dna.add_argument('--top-k', type=int, default=3, help='how many architectures to train at the end')
    return parser.parse_args()


def evaluator_of(args: argparse.Namespace) -> Classification:
    """A new evaluator: how a network is trained and rated.

    Parameters
    ----------
    args
        The command line.
    """
    return make_evaluator(DataLoader(Digits(True, args.seed, args.images), batch_size=64, shuffle=True),
                          DataLoader(Digits(False, args.seed, args.images), batch_size=64), args.epochs, NUM_CLASSES)


class EpochLine(pl.Callback):
    """Prints a line per epoch of a one-shot search."""

    def on_train_epoch_end(self, trainer: pl.Trainer, pl_module: pl.LightningModule) -> None:
        accuracy = pl_module.training_module.metrics['acc']
        print(f"epoch {trainer.current_epoch + 1} of {trainer.max_epochs}: the supernet's accuracy while training was "
              f'{accuracy.compute():.3f}', flush=True)
        accuracy.reset()


def size_limit(args: argparse.Namespace) -> tuple[Any, int] | None:
    """What NNI's strategies understand of ``--max-params`` and ``--max-madds``: one profiler and its limit.

    Parameters
    ----------
    args
        The command line.
    """
    if args.max_params and args.max_madds:
        raise SystemExit("NNI's one-shot strategies take one of --max-params and --max-madds. DNA takes both.")
    if args.max_params:
        return NumParamsProfiler(SPACES[args.space](), IMAGES), args.max_params
    if args.max_madds:
        return madds_profiler(SPACES[args.space](), IMAGES), args.max_madds
    return None


def search_one_shot(args: argparse.Namespace) -> dict[str, Any]:
    """Search with one of NNI's one-shot strategies; return the architecture.

    Parameters
    ----------
    args
        The command line.
    """
    space = SPACES[args.space]()
    evaluator = evaluator_of(args)
    evaluator.trainer.callbacks.append(EpochLine())
    if args.strategy == 'proxyless' and args.space in ('mobilenetv3', 'own'):
        raise SystemExit("NNI's Proxyless cannot choose numbers, such as widths. Take --space proxylessnas or shufflenet.")
    strategy = one_shot_strategy(args.strategy, size_limit(args))
    experiment = NasExperiment(space, evaluator, strategy)
    experiment.run()
    if args.strategy == 'random':
        return best_of_samples(strategy, evaluator.val_dataloaders)
    return experiment.export_top_models(formatter='dict')[0]


def best_of_samples(strategy: nas.RandomOneShot, images: DataLoader) -> dict[str, Any]:
    """The best of some random architectures, rated with the trained supernet's weights.

    RandomOneShot trains the supernet and no more: what it exports is any architecture. NNI's documentation proposes a second
    experiment on the same space; NNI 3.0 fails at that where a convolution has no bias, as in most spaces. So here the
    supernet itself is asked: after ``resample`` it computes what that one architecture computes.

    Parameters
    ----------
    strategy
        The strategy after its experiment.
    images
        Images to rate the architectures on.
    """
    supernet = strategy.supernet.eval()
    rated = []
    for _ in range(RANDOM_SAMPLES):
        architecture = strategy.oneshot_module.resample()
        with torch.no_grad():
            right = sum((supernet(batch).argmax(1) == labels).sum().item() for batch, labels in images)
        rated.append((right, architecture))
    return max(rated, key=lambda pair: pair[0])[1]


def retrain(args: argparse.Namespace, architecture: dict[str, Any]) -> float:
    """Train an architecture from scratch, by the evaluator's recipe; return its accuracy on the validation images.

    Parameters
    ----------
    args
        The command line.
    architecture
        From a choice's label to what was chosen.
    """
    evaluator = evaluator_of(args)
    evaluator.evaluate(build(args.space, architecture))
    return evaluator.trainer.callback_metrics['val_acc'].item()


def search_dna(args: argparse.Namespace) -> list[dict[str, Any]]:
    """Search with DNA, which trains the best architectures by the evaluator's recipe itself; return them, the best first.

    Parameters
    ----------
    args
        The command line.
    """
    from nni_dna import DNA

    strategy = DNA('teacher.SmallResNet', max_params=args.max_params, max_madds=args.max_madds, top_k=args.top_k, work=args.work,
                   rate={'max_paths': args.max_paths}, threads=1, seed=args.seed)
    config = NasExperimentConfig(args.engine, 'simplified', 'local')
    config.trial_concurrency = 2 if args.engine == 'ts' else 1
    experiment = NasExperiment(SPACES[args.space](), evaluator_of(args), strategy, config)
    experiment.run(args.port)
    for rank, model in enumerate(experiment.export_top_models(args.top_k), start=1):
        print(f'rank {rank}: accuracy {model.metric:.4f} on the validation images, after {args.epochs} epochs from scratch')
    return experiment.export_top_models(args.top_k, formatter='dict')


def build(space_name: str, architecture: dict[str, Any]) -> ModelSpace:
    """One architecture of a space, with new weights.

    Parameters
    ----------
    space_name
        The space's name on the command line.
    architecture
        From a choice's label to what was chosen.
    """
    # In this context a space's constructor builds the one architecture. (The space of the search itself would not do: a
    # one-shot strategy has turned it into its supernet.)
    with model_context(architecture):
        return SPACES[space_name]()


def show(space_name: str, architecture: dict[str, Any]) -> None:
    """Print an architecture, its parameters and its multiply-adds.

    Parameters
    ----------
    space_name
        The space's name on the command line.
    architecture
        From a choice's label to what was chosen.
    """
    space = SPACES[space_name]()
    # NNI's Proxyless exports labels of its own besides (s2_depth/in_repeat_1).
    print({label: architecture[label] for label in space.simplify()})
    params = sum(weight.numel() for weight in build(space_name, architecture).parameters())
    print(f'{params:,} parameters, {madds_profiler(space, IMAGES).profile(architecture):,.0f} multiply-adds')


def main() -> None:
    """Search, print what was found, train it, print its accuracy."""
    args = arguments()
    args.work = args.work.resolve() if args.work else HERE / 'work' / args.space
    # NNI runs trials in this process's working folder, and there they must find digits_data.py and own_space.py.
    os.chdir(HERE)
    if args.strategy != 'dna':
        nni.silence_stdout()    # DNA's experiment has a web UI, and NNI says where; the others' messages would only be in the way
    pl.seed_everything(args.seed)

    start = time.monotonic()
    found = search_dna(args) if args.strategy == 'dna' else [search_one_shot(args)]
    print(f'{args.strategy} searched {args.space} for {time.monotonic() - start:.0f} s and found')
    for architecture in found:
        show(args.space, architecture)
    if args.strategy != 'dna':
        start = time.monotonic()
        print(f'accuracy {retrain(args, found[0]):.4f} on the validation images, after {args.epochs} epochs from scratch '
              f'({time.monotonic() - start:.0f} s)')


if __name__ == '__main__':
    main()
