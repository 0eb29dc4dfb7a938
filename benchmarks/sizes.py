"""How large is what a campaign moves between machines? The files that its tasks write, for the paper's space or a work folder.

For the space `dna` at 224 pixels with EfficientNet-B7 the files are written as the tasks write them, with random contents, and
removed again. With a work folder, its files are counted.

    python -W ignore benchmarks/sizes.py
    python benchmarks/sizes.py --work FOLDER
"""

from __future__ import annotations

import argparse
import tempfile
from collections import Counter
from pathlib import Path

KINDS = {'settings.json': 'settings', 'journal.jsonl': 'journal', 'costs.npz': 'costs', 'ranking.json': 'ranking',
         'teacher.safetensors': 'teacher weights', 'supernet.safetensors': 'supernet weights',
         'model.safetensors': 'winner weights', 'ratings.npz': 'rating tables', 'result.json': 'results'}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument('--work', type=Path, help='a work folder; without it the space dna')
    arguments = parser.parse_args()
    if arguments.work:
        show(arguments.work)
        return
    with tempfile.TemporaryDirectory() as folder:
        write_dna(Path(folder))
        show(Path(folder))


def show(folder: Path) -> None:
    """Number, sum and largest of the files of each kind."""
    files = [file for file in folder.rglob('*') if file.is_file()]
    kinds = {file: KINDS.get(file.name, 'assignments of trials' if file.parent.name == 'trials' else 'other') for file in files}
    print(f'{"":24}{"files":>6}{"MB in all":>12}{"largest, MB":>13}')
    for kind, count in sorted(Counter(kinds.values()).items()):
        sizes = [file.stat().st_size / 1e6 for file in files if kinds[file] == kind]
        print(f'{kind:24}{count:6}{sum(sizes):12.3f}{max(sizes):13.3f}')


def write_dna(folder: Path) -> None:
    """What the teacher and the distillation of the paper's space leave, and the weights of a winner."""
    import numpy as np
    from distill import Measurement

    from nni_dna.campaign.stored import save_costs
    from nni_dna.rating.table import save_ratings
    from nni_dna.spaces.freezing import plain_network
    from nni_dna.weights import save_weights
    measurement = Measurement('b7', argparse.Namespace(image_size=224, batch_size=1))
    setup, random = measurement.setup, np.random.default_rng(0)
    save_weights(measurement.network, folder / 'teacher.safetensors')
    save_costs(folder / 'costs.npz', setup.chain, (3, 224, 224), setup.costs)
    for b, s, block, name in setup.chain.supernets():
        place = folder / block.name / name
        place.mkdir(parents=True)
        cells = block.cells_of(name)
        save_weights(measurement.supernets[b, s], place / 'supernet.safetensors')
        save_ratings(place / 'ratings.npz', cells, [random.random(cell.paths) for cell in cells])
    sample = setup.chain.architecture(tuple(int(random.integers(block.paths)) for block in setup.chain.blocks))
    save_weights(plain_network(setup.build_space(), sample), folder / 'model.safetensors')


if __name__ == '__main__':
    main()
