"""The config of the remote benchmark, as NNI reads it; the SSH servers are the benchmark's own business."""

import sys
from pathlib import Path

import yaml
from nni.experiment.config import ExperimentConfig, RemoteConfig

REMOTE = Path(__file__).parent.parent.parent / 'benchmarks' / 'remote'
sys.path.append(str(REMOTE))

from nni_run import make_config  # noqa: E402
from nni_dna.campaign.check import read_config  # noqa: E402
from nni_dna.campaign.machines import check_machines  # noqa: E402


def test_nni_and_we_take_the_config_and_it_differs_from_the_example_in_the_service_and_the_folders(tmp_path):
    key = tmp_path / 'key'
    key.touch()
    machine = {'user': 'nas', 'sshKeyFile': str(key), 'pythonPath': sys.prefix + '/bin'}
    service = {'platform': 'remote', 'reuseMode': False, 'machineList': [
        {'host': '127.0.0.1', 'port': 2201, **machine}, {'host': '127.0.0.2', 'port': 2202, **machine}]}
    config = make_config(tmp_path, service, seed=3, epochs=1)
    (tmp_path / 'code').mkdir()
    file = tmp_path / 'code' / 'config.yml'
    file.write_text(yaml.safe_dump(config))

    theirs = ExperimentConfig.load(file)
    theirs.validate()
    assert isinstance(theirs.training_service, RemoteConfig) and len(theirs.training_service.machine_list) == 2

    _, setup = read_config(file)
    check_machines(config, setup.settings.work, file.parent)
    example = yaml.safe_load((REMOTE.parent.parent / 'examples' / 'digits' / 'config.yml').read_text())
    ours = setup.settings
    assert (ours.seed, ours.work, ours.distill.epochs) == (3, tmp_path / 'work', 1)
    assert config['tuner']['classArgs']['search'] == example['tuner']['classArgs']['search']
    assert sum(file.stat().st_size for file in (tmp_path / 'code').iterdir()) < 10_000  # what travels to each machine
