"""Real attacks by files: none runs code, and none reads or writes outside the work folder."""

from __future__ import annotations

import base64
import hashlib
import json
import os
import shutil
import sys
from pathlib import Path

import cloudpickle
import numpy as np
import psutil
import pytest
import torch
import toys
from nni.runtime.env_vars import dispatcher_env_vars
from old_work.reading import SETTINGS
from running import open_campaign

import nni_dna
from nni_dna.campaign.stored import block_ratings, load_costs
from nni_dna.campaign.work import WorkFolder
from nni_dna.cli import main
from nni_dna.errors import NniDnaError, ResultError, WeightsError, WorkFolderError
from nni_dna.rating import load_ratings
from nni_dna.report.facts.case import open_case
from nni_dna.retrain.checkpoint import resumable
from nni_dna.settings.sections import TeacherSettings
from nni_dna.teacher import ready_teacher
from nni_dna.trust import trust
from nni_dna.weights import load_weights

OLD = Path(__file__).parents[1] / 'old_work' / 'format_1' / 'folder'


class Bomb:
    """Makes a folder where it is unpickled."""

    def __reduce__(self):
        return os.mkdir, (os.environ['NNI_DNA_BOMB'],)


@pytest.fixture(autouse=True)
def crater(tmp_path, monkeypatch):
    """What a bomb would leave; it must not be there after the test. And nobody has trusted any folder."""
    place = tmp_path / 'exploded'
    monkeypatch.setenv('NNI_DNA_BOMB', str(place))
    monkeypatch.setenv('XDG_STATE_HOME', str(tmp_path / 'state'))
    yield place
    assert not place.exists()


@pytest.fixture
def work(tmp_path):
    """A work folder from elsewhere."""
    return Path(shutil.copytree(OLD, tmp_path / 'work'))


def change(file: Path, edit) -> None:
    """Edit a JSON file."""
    content = json.loads(file.read_text())
    edit(content)
    file.write_text(json.dumps(content))


def rejournal(work: Path, old: str, **fields) -> None:
    """Let the journal say something else of a finished task."""
    events = [json.loads(line) for line in (work / 'journal.jsonl').read_text().splitlines()]
    for event in events:
        if event['event'] == 'finished' and event['task'] == old:
            event.update(fields)
    (work / 'journal.jsonl').write_text(''.join(json.dumps(event) + '\n' for event in events))


def test_the_bomb_goes_off_where_pickle_is_used(tmp_path, crater):
    torch.save(Bomb(), tmp_path / 'x.pt')
    torch.load(tmp_path / 'x.pt', weights_only=False)
    assert crater.exists()
    crater.rmdir()


# Pickles

@pytest.mark.parametrize('content', [Bomb(), {'state_dict': Bomb()}, {'weight': torch.zeros(1), 'other': [Bomb()]}])
@pytest.mark.parametrize('name', ['x.pt', 'x.pth', 'x.ckpt', 'x.bin', 'x.safetensors'])
def test_weights_that_are_a_pickle_are_refused(tmp_path, name, content):
    torch.save(content, tmp_path / name)
    with pytest.raises(WeightsError, match='teacher.weights: .*x.* cannot be read as weights only.*never executed; save'):
        load_weights(toys.Teacher(), tmp_path / name, 'teacher.weights')


def test_an_old_style_pickle_is_refused(tmp_path):
    (tmp_path / 'x.pt').write_bytes(cloudpickle.dumps(Bomb()))
    with pytest.raises(WeightsError, match='never executed'):
        load_weights(toys.Teacher(), tmp_path / 'x.pt', 'teacher.weights')


def test_a_checkpoint_that_is_a_pickle_makes_the_training_start_anew(tmp_path, caplog):
    torch.save({'random': [Bomb()], 'state_dict': {}}, tmp_path / 'training.ckpt')
    assert not resumable(tmp_path / 'training.ckpt', 1)
    assert 'cannot be read as the state of a training' in caplog.text


def test_tables_that_hold_pickles_are_refused(tmp_path, work):
    cells = load_costs(work / 'costs.npz').chain.blocks[1].cells
    bomb = np.array([Bomb()], dtype=object)
    for arrays in ({'ratings': bomb, 'paths': np.array('x')}, {'ratings': np.zeros(4), 'paths': bomb}):
        np.savez(tmp_path / 'ratings.npz', **arrays)
        with pytest.raises(ResultError, match='ratings.npz: expected a rating table.*start the experiment again'):
            load_ratings(tmp_path / 'ratings.npz', cells)
    np.savez(tmp_path / 'costs.npz', header=bomb)
    with pytest.raises(ResultError, match='costs.npz: expected cost tables.*start the experiment again'):
        load_costs(tmp_path / 'costs.npz')


@pytest.mark.parametrize('settings', [{'weights': 'pretrained'}, {'weights': 'train', 'args': {'weights': 'DEFAULT'}}])
def test_a_pickle_in_the_cache_of_torchvision_is_not_unpickled(tmp_path, monkeypatch, settings):
    from torchvision.models import ResNet18_Weights
    monkeypatch.setattr(torch.hub, '_hub_dir', str(tmp_path / 'hub'))
    cached = tmp_path / 'hub' / 'checkpoints' / Path(ResNet18_Weights.DEFAULT.url).name
    cached.parent.mkdir(parents=True)
    torch.save({'conv1.weight': Bomb()}, cached)
    from nni_dna.teacher import build_network
    teacher = TeacherSettings(name='resnet18', **settings)
    with pytest.raises(NniDnaError, match='teacher.*resnet18'):
        ready_teacher(teacher, 1000) if settings['weights'] == 'pretrained' else build_network(teacher, 1000)
    assert 'TORCH_FORCE_WEIGHTS_ONLY_LOAD' not in os.environ


def test_what_the_managers_interface_takes_from_anyone_is_not_unpickled(monkeypatch):
    from nni.runtime import msg_dispatcher_base
    from nni_dna.advisor import DNAAdvisor
    bomb = {'__nni_obj__': base64.b64encode(cloudpickle.dumps(Bomb())).decode()}
    monkeypatch.setattr(msg_dispatcher_base, 'load', msg_dispatcher_base.load)  # put back after the test
    monkeypatch.setattr('nni_dna.advisor.dispatcher_env_vars',
                        dispatcher_env_vars._replace(NNI_TUNER_COMMAND_CHANNEL='ws://localhost:1/tuner'))
    monkeypatch.setattr(msg_dispatcher_base.MsgDispatcherBase, '__init__', lambda self: None)  # which connects to a manager
    advisor = DNAAdvisor()
    assert msg_dispatcher_base.load(json.dumps(bomb)) == bomb
    advisor.handle_add_customized_trial([json.dumps({'parameter_id': 1, 'parameters': bomb})])
    advisor.handle_report_metric_data({'type': 'FINAL', 'trial_job_id': 'x', 'value': json.dumps(bomb)})
    assert advisor._metrics == {'x': bomb}


def test_a_trial_does_not_unpickle_its_parameters(monkeypatch):
    import nni
    from nni_dna import trial
    seen = {}

    def get_next_parameter():
        bomb = {'__nni_obj__': base64.b64encode(cloudpickle.dumps(Bomb())).decode()}
        seen['parameters'] = nni.load(json.dumps(bomb))  # as NNI's channel of version 3 does
        return seen['parameters']

    monkeypatch.setattr(nni, 'get_next_parameter', get_next_parameter)
    usual = nni.load
    assert trial.main() == 2
    assert '__nni_obj__' in seen['parameters'] and nni.load is usual


# Import paths

ATTACKS = {'space': {'name': 'os:mkdir', 'args': {'path': 'EXPLODED'}},
           'teacher': {'name': 'os.mkdir', 'args': {'path': 'EXPLODED'}},
           'data': {'name': 'subprocess:getoutput', 'args': {'cmd': 'mkdir EXPLODED'}}}


@pytest.mark.parametrize('section', ATTACKS)
def test_a_record_from_elsewhere_imports_nothing(work, crater, section, capsys):
    attack = json.loads(json.dumps(ATTACKS[section]).replace('EXPLODED', str(crater)))
    change(work / 'settings.json', lambda found: found['settings'][section].update(attack))
    message = 'names code to import .*no experiment that you ran here wrote it; read it, and if you trust it, run .nni-dna trust'
    case = open_case(work)
    assert case.setup is None and attack['name'] in case.missing
    for use in (nni_dna.load, lambda folder: nni_dna.export(folder, 1, 'safetensors', folder.parent / 'x.safetensors')):
        with pytest.raises(WorkFolderError, match=message):
            use(work)
    assert main(['report', str(work)]) == 0  # from its files alone
    assert main(['show', str(work)]) == 0 and main(['search', str(work)]) == 0
    capsys.readouterr()
    assert main(['transfer', str(work), '--data', 'digits', '--output', str(work.parent / 'new')]) == 1
    assert 'nni-dna trust' in capsys.readouterr().err and not (work.parent / 'new').exists()


def test_the_record_of_a_nasexperiment_from_elsewhere_imports_nothing(work, crater):
    attack = {'class': 'os:mkdir', 'args': [str(crater)], 'kwargs': {}}
    change(work / 'settings.json', lambda found: found['settings'].update(
        space={'name': 'digits', 'args': {}}, evaluator=attack, train_dataloaders=None, val_dataloaders=None,
        mutation_hooks=['os:getcwd']))
    case = open_case(work)
    assert case.setup is None and 'os:mkdir' in case.missing and 'os:getcwd' in case.missing


def test_modules_beside_a_record_from_elsewhere_are_not_on_the_path(work, crater):
    (work / 'evil.py').write_text(f'import os\nos.mkdir({str(crater)!r})\n')
    change(work / 'settings.json', lambda found: (found.update(code=str(work)),
                                                  found['settings']['space'].update(name='evil.Space')))
    with pytest.raises(WorkFolderError, match='evil.Space'):
        nni_dna.load(work)
    change(work / 'settings.json', lambda found: found['settings']['space'].update(name='digits'))
    with pytest.raises(NniDnaError):
        nni_dna.load(work)  # the weights are another network's
    assert str(work) not in sys.path and 'evil' not in sys.modules


def test_what_the_user_trusts_is_told_and_imported_until_it_changes(work, capsys):
    assert main(['trust', str(work)]) == 0
    told = capsys.readouterr().out
    assert all(name in told for name in ('toys.Space', 'toys.Teacher', 'toys.images', '/experiment'))
    assert isinstance(nni_dna.load(work), torch.nn.Module)
    change(work / 'settings.json', lambda found: found.update(code='/elsewhere'))
    with pytest.raises(WorkFolderError, match='nni-dna trust'):
        nni_dna.load(work)


def test_the_experiments_own_user_need_not_trust_it(work):
    open_campaign(work, **SETTINGS).close()
    assert isinstance(nni_dna.load(work), torch.nn.Module)


@pytest.mark.parametrize('content', [None, '{', '[]', '{"code": 1}'])
def test_only_a_record_can_be_trusted(tmp_path, content, capsys):
    (tmp_path / 'some').mkdir()
    if content is not None:
        (tmp_path / 'some' / 'settings.json').write_text(content)
    code = main(['trust', str(tmp_path / 'some')])
    output = capsys.readouterr()
    assert code == 1 and 'name the work folder of an experiment' in output.err


def test_a_transfer_from_elsewhere_imports_nothing(tmp_path, crater):
    folder = tmp_path / 'transferred'
    folder.mkdir()
    (folder / 'model.safetensors').write_bytes(b'')
    record = {'version': 1, 'space': {'name': 'os:mkdir', 'args': {'path': str(crater)}}, 'code': str(folder), 'architecture': {},
              'weights': 'model.safetensors', 'sha256': hashlib.sha256(b'').hexdigest(), 'classes_before': 4, 'num_classes': 4}
    (folder / 'transfer.json').write_text(json.dumps(record))
    with pytest.raises(WorkFolderError, match='os:mkdir.*nni-dna trust'):
        nni_dna.load(folder)
    for weights in ('../x', '/etc/passwd'):
        change(folder / 'transfer.json', lambda found: found.update(weights=weights))
        with pytest.raises(ResultError, match='outside the work folder'):
            nni_dna.load(folder)


# Paths

@pytest.mark.parametrize('place', ['../outside', 'distill/../../outside', '/OUTSIDE', 'linked'])
def test_a_journal_that_names_a_task_elsewhere_is_not_followed(work, tmp_path, place, caplog):
    outside = tmp_path / 'outside'
    shutil.copytree(work / 'teacher', outside)
    (work / 'linked').symlink_to(outside)
    task = place.replace('/OUTSIDE', str(outside)) + '/train'
    digest = hashlib.sha256((outside / 'train' / 'result.json').read_bytes()).hexdigest()
    rejournal(work, 'teacher/train', task=task, sha256=digest)
    with pytest.raises(ResultError, match='is outside the work folder.*restore it, or name another work folder'):
        WorkFolder(work).read_result(task, digest)
    campaign = open_campaign(work, **SETTINGS)
    assert task not in campaign._finished and 'outside the work folder' in caplog.text
    campaign.close()


def test_a_ranking_that_names_weights_elsewhere_is_not_followed(work, tmp_path):
    trust(work)
    shutil.copytree(work / 'retrain', tmp_path / 'retrain')
    for weights in ('../retrain/rank1/model.safetensors', str(tmp_path / 'retrain/rank1/model.safetensors')):
        change(work / 'ranking.json', lambda found: found['ranking'][0].update(weights=weights))
        with pytest.raises(ResultError, match='is outside the work folder'):
            nni_dna.load(work)


def test_a_cost_table_that_names_a_block_elsewhere_is_not_followed(work):
    with np.load(work / 'costs.npz') as table:
        arrays = dict(table)
    header = json.loads(arrays['header'].tobytes())
    header['chain']['blocks'][1]['name'] = '../../outside'
    np.savez(work / 'costs.npz', **{**arrays, 'header': np.frombuffer(json.dumps(header).encode(), dtype=np.uint8)})
    with pytest.raises(ResultError, match='is outside the work folder'):
        block_ratings(work, load_costs(work / 'costs.npz').chain.blocks[1])


@pytest.mark.parametrize('name', ['../secret', '/etc/passwd', 'linked', 'x\0y'])
def test_a_result_that_vouches_for_a_file_elsewhere_is_refused(work, tmp_path, name):
    (tmp_path / 'secret').write_text('x')
    (work / 'linked').symlink_to(tmp_path / 'secret')
    change(work / 'teacher/train/result.json', lambda found: found['files'].update({name: hashlib.sha256(b'x').hexdigest()}))
    with pytest.raises(ResultError, match='outside the work folder'):
        WorkFolder(work).read_result('teacher/train')


@pytest.mark.parametrize('name', ['lock', 'journal.jsonl', 'retrain', 'trials'])
def test_a_link_in_the_work_folder_does_not_make_us_write_elsewhere(work, tmp_path, name):
    outside = tmp_path / 'outside'
    if name == 'retrain':
        shutil.move(work / name, outside)
    elif name == 'trials':
        outside.mkdir()
    else:
        outside.write_bytes((work / name).read_bytes() if (work / name).exists() else b'precious')
        (work / name).unlink(missing_ok=True)
    (work / name).symlink_to(outside)
    before = outside.read_bytes() if outside.is_file() else sorted(outside.rglob('*'))
    with pytest.raises(WorkFolderError, match='in the work folder itself, got a link.*put it in its place'):
        open_campaign(work, **SETTINGS)
    assert (outside.read_bytes() if outside.is_file() else sorted(outside.rglob('*'))) == before


# YAML, and the network

@pytest.mark.parametrize('text', ['!!python/object/apply:os.mkdir [PLACE]', '!!python/object/new:os.mkdir [PLACE]',
                                  '!!python/module:os'])
def test_yaml_makes_no_objects(tmp_path, crater, text, capsys):
    text = text.replace('PLACE', str(crater))
    (tmp_path / 'config.yml').write_text(f'tuner: {{classArgs: {text}}}\n')
    assert main(['check', str(tmp_path / 'config.yml')]) == 1
    assert 'no valid YAML' in capsys.readouterr().err
    (tmp_path / 'space.yml').write_text(f'a: {text}\n')
    with pytest.raises(NniDnaError, match='no valid YAML'):
        nni_dna.DNA('resnet18', work=tmp_path / 'w', search_space=tmp_path / 'space.yml')


def test_a_campaign_listens_to_nobody(work):
    before = {c.laddr for c in psutil.Process().net_connections() if c.status == 'LISTEN'}
    campaign = open_campaign(work, **SETTINGS)
    assert {c.laddr for c in psutil.Process().net_connections() if c.status == 'LISTEN'} == before
    campaign.close()
