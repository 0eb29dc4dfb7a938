"""The settings in docs/scale.md and the example for several machines: NNI's config classes take them, and so do we."""

import json
import re
import subprocess
from pathlib import Path

import nni_node
import pytest
import yaml
from nni.experiment.config import ExperimentConfig

from nni_dna.campaign.check import read_config
from nni_dna.campaign.machines import check_machines

ROOT = Path(__file__).parent.parent.parent
MACHINES = ROOT / 'examples' / 'imagenet' / 'config_machines.yml'
BLOCKS = re.findall(r'^```yaml\n(.*?)^```', (ROOT / 'docs' / 'scale.md').read_text(), re.DOTALL | re.MULTILINE)


@pytest.fixture
def home(tmp_path, monkeypatch):
    (tmp_path / '.ssh').mkdir()
    (tmp_path / '.ssh' / 'id_ed25519').touch()  # NNI looks whether it is there
    monkeypatch.setenv('HOME', str(tmp_path))
    return tmp_path


def test_there_is_a_block_for_each_kind_of_service():
    kinds = [(service['platform'], service['reuseMode']) for block in BLOCKS
             if (service := yaml.safe_load(block)['trainingService'])]
    assert kinds == [('remote', False), ('frameworkcontroller', False), ('remote', True)]


@pytest.mark.parametrize('text', [*BLOCKS, MACHINES.read_text()])
def test_nni_and_we_take_the_settings(text, home):
    folder = home / 'experiment'
    folder.mkdir()
    config = yaml.safe_load(text)
    (home / Path(config['searchSpaceFile']).name).write_text(json.dumps({}))
    file = folder / 'config.yml'
    file.write_text(yaml.safe_dump({**config, 'searchSpaceFile': f'../{Path(config["searchSpaceFile"]).name}'}))

    theirs = ExperimentConfig.load(file)
    theirs.validate()
    assert theirs.json()['trainingService']['platform'] == config['trainingService']['platform']
    assert theirs.json()['nniManagerIp'] == config['nniManagerIp']

    read, setup = read_config(file)
    check_machines(read, setup.settings.work, folder)
    assert setup.settings.work.is_absolute() and setup.settings.data.root.is_absolute()


@pytest.mark.parametrize('level, code', [("'client-socket'", 0), ("'client-timeout'", 0), ('undefined', 1)])
def test_nnis_node_outlives_an_error_of_its_ssh_client_and_no_other(level, code):
    script = f"setTimeout(() => {{ const error = new Error('reset'); error.level = {level}; throw error; }}, 0);"
    done = subprocess.run([str(Path(nni_node.__path__[0]) / 'node'), '--require', str(MACHINES.parent / 'keep_manager.js'), '-e',
                           f'{script} setTimeout(() => console.log("lives"), 50);'], capture_output=True, text=True, timeout=60)
    assert (done.returncode, 'lives' in done.stdout) == (code, not code) and 'Error: reset' in done.stderr
