"""What a user's script with a NasExperiment does, as a process of its own, which faults end.

    python nas_script.py ENGINE WORK PORT ID ACTION
"""

from __future__ import annotations

import sys
from pathlib import Path

import hosts  # noqa: F401  (finds the rest)
import faulty
import strategy_toys
from nni.nas.evaluator.pytorch import DataLoader
from nni.nas.experiment import NasExperiment, NasExperimentConfig

if __name__ == '__main__':
    engine, work, port, name, action = sys.argv[1:]
    config = NasExperimentConfig(engine, 'simplified', 'local')
    config.experiment_working_directory = str(Path(work).parent / 'nni')
    if engine == 'ts':
        config.trial_concurrency = 2
    loaders = [DataLoader(faulty.Pictures(train), batch_size=16, shuffle=train) for train in (True, False)]
    evaluator = strategy_toys.evaluator(max_epochs=4, train_dataloaders=loaders[0], val_dataloaders=loaders[1])
    strategy = strategy_toys.strategy(work, distill={'epochs': 10})
    experiment = NasExperiment(faulty.Space(), evaluator, strategy, config, id=name)
    {'run': experiment.run, 'resume': experiment.resume}[action](int(port))
    experiment.stop()
