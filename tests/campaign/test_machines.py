"""What is refused before trials are sent to other machines, and that files of two machines do not collide."""

import errno
import fcntl
import socket
from pathlib import Path

import pytest
from running import make_setup

from nni_dna.campaign.machines import check_machines
from nni_dna.campaign.work import WorkFolder
from nni_dna.errors import SettingsError, WorkFolderError
from nni_dna.files import write_atomically

SHARED = Path('/shared/work')


def remote(*hosts, **changes):
    return {'trainingService': {'platform': 'remote', 'machineList': [{'host': host} for host in hosts]}, **changes}


def test_workers_on_another_machine_need_the_address_of_the_manager(tmp_path):
    with pytest.raises(SettingsError, match='nniManagerIp: expected the address of this machine as gpu1 reaches it'):
        check_machines(remote('127.0.0.1', 'gpu1'), SHARED, tmp_path)
    check_machines(remote('127.0.0.1', 'gpu1', nniManagerIp='10.0.0.1'), SHARED, tmp_path)
    config = remote('gpu1')
    config['trainingService']['nniManagerIp'] = '10.0.0.1'
    check_machines(config, SHARED, tmp_path)


@pytest.mark.parametrize('config', [remote('127.0.0.1'), remote('localhost'), {'trainingService': {'platform': 'local'}}, {}])
def test_workers_here_need_none(config, tmp_path):
    check_machines(config, SHARED, tmp_path)


def test_one_of_several_services_is_checked_too(tmp_path):
    services = [{'platform': 'local'}, remote('gpu1')['trainingService']]
    with pytest.raises(SettingsError, match='nniManagerIp'):
        check_machines({'trainingService': services}, SHARED, tmp_path)


@pytest.mark.parametrize('place', ['work', 'results/work'])
def test_a_work_folder_that_nni_would_copy_to_every_machine_is_refused(place, tmp_path):
    config = remote('localhost')
    with pytest.raises(SettingsError, match='work: expected a folder outside trialCodeDirectory'):
        check_machines(config, tmp_path / place, tmp_path)
    (tmp_path / '.nniignore').write_text(f'data\n/{place.partition("/")[0]}/\n')
    check_machines(config, tmp_path / place, tmp_path)


def test_the_code_directory_counts_not_the_place_of_the_file(tmp_path):
    check_machines(remote('localhost', trialCodeDirectory='code'), tmp_path / 'work', tmp_path)
    with pytest.raises(SettingsError, match='trialCodeDirectory'):
        check_machines(remote('localhost', trialCodeDirectory='code'), tmp_path / 'code' / 'work', tmp_path)


def test_machines_whose_processes_have_the_same_number_write_beside_each_other(tmp_path, monkeypatch):
    """Containers often have: the temporary file of one must not be moved away by the other."""
    here = tmp_path / 'result.json'
    seen = []

    def other_machine_writes(path, target):
        seen.append(Path(path).name)
        if len(seen) == 1:
            monkeypatch.setattr(socket, 'gethostname', lambda: 'other')
            write_atomically(here, b'other')
        Path(path).rename(target)

    monkeypatch.setattr('os.replace', other_machine_writes)
    write_atomically(here, b'one')
    assert here.read_bytes() == b'one' and len(set(seen)) == 2 and list(tmp_path.iterdir()) == [here]


@pytest.mark.parametrize('number, message', [(errno.EAGAIN, 'another experiment is running'),
                                             (errno.ENOLCK, 'on storage where no file can be locked')])
def test_storage_without_locks_is_not_taken_for_another_experiment(number, message, tmp_path, monkeypatch):
    def refuse(*_):
        raise OSError(number, 'refused')

    monkeypatch.setattr(fcntl, 'flock', refuse)
    with pytest.raises(WorkFolderError, match=message):
        WorkFolder(tmp_path / 'work').claim(make_setup(tmp_path / 'work').record(), tmp_path)
