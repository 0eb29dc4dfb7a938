"""What a user's script with a NasExperiment does; run by tests as a process of its own, which they kill.

    python nas_script.py ENGINE WORK PORT ID ACTION EPOCHS
"""

import json
import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parent.parent))

import strategy_toys  # noqa: E402
from nni.nas.experiment import NasExperiment, NasExperimentConfig  # noqa: E402
from toys import Space  # noqa: E402

if __name__ == '__main__':
    engine, work, port, name, action, epochs = sys.argv[1:]
    config = NasExperimentConfig(engine, 'simplified', 'local')
    config.experiment_working_directory = str(Path(work).parent / 'nni')
    if engine == 'ts':
        config.trial_concurrency = 2
    strategy = strategy_toys.strategy(work, distill={'epochs': int(epochs)})
    experiment = NasExperiment(Space(), strategy_toys.evaluator(), strategy, config, id=name)
    {'run': experiment.run, 'resume': experiment.resume}[action](int(port))
    print('exported', json.dumps(experiment.export_top_models(5, formatter='dict')))
    if engine == 'ts':
        rows = experiment.list_trial_jobs()
        print('trials', json.dumps([(row.status, row.hyperParameters[0].parameters['task']) for row in rows]))
    experiment.stop()
