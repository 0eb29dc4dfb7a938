"""Machines that are none: private SSH servers on loopback addresses of this one, each with a home of its own.

What a machine's sessions start carries a mark in its environment, by which it is found and can be killed at once, as if the power
had been cut. Nothing outside the given folder is written.
"""

from __future__ import annotations

import getpass
import os
import shutil
import signal
import socket
import subprocess
import sys
import time
from pathlib import Path

import psutil

__all__ = ['Machine', 'processes']

MARK = 'NNI_DNA_MACHINE'

CONFIG = '''
Port {port}
ListenAddress {host}
HostKey {folder}/host_key
AuthorizedKeysFile {folder}/authorized_keys
PidFile {folder}/sshd.pid
StrictModes no
UsePAM no
PasswordAuthentication no
KbdInteractiveAuthentication no
PermitRootLogin prohibit-password
AllowUsers {user}
Subsystem sftp internal-sftp
SetEnv {environment}
'''


class Machine:
    """An SSH server on a loopback address.

    Parameters
    ----------
    name
        Marks its processes.
    host
        Its address, 127.x.x.x.
    folder
        For its keys and its home; new.
    environment
        What its sessions have in their environment beyond that of the login.
    """

    def __init__(self, name: str, host: str, folder: Path, environment: dict[str, str]):
        program = shutil.which('sshd', path='/usr/sbin:/usr/local/sbin:/usr/bin')
        if program is None:
            sys.exit('expected an SSH server, found no sshd; install openssh-server')
        self.name, self.host, self.folder, self.user = name, host, folder, getpass.getuser()
        self.home = folder / 'home'
        self.home.mkdir(parents=True)
        for key in 'host_key', 'user_key':
            subprocess.run(['ssh-keygen', '-q', '-t', 'ed25519', '-N', '', '-f', str(folder / key)], check=True)
        shutil.copyfile(folder / 'user_key.pub', folder / 'authorized_keys')
        if os.getuid() == 0:
            Path('/run/sshd').mkdir(exist_ok=True)  # sshd insists on it
        self.port = _free_port(host)
        environment = {**environment, 'HOME': str(self.home), MARK: name}
        (folder / 'sshd_config').write_text(CONFIG.format(
            port=self.port, host=host, folder=folder, user=self.user,
            environment=' '.join(f'"{key}={value}"' for key, value in environment.items())))
        self._server = subprocess.Popen([program, '-D', '-f', str(folder / 'sshd_config'), '-E', str(folder / 'sshd.log')])
        for _ in range(100):
            with socket.socket() as connection:
                if connection.connect_ex((host, self.port)) == 0:
                    return
            time.sleep(0.1)
        sys.exit(f'sshd did not start:\n{(folder / "sshd.log").read_text()}')

    def settings(self) -> dict[str, object]:
        """Its entry in NNI's ``machineList``."""
        return {'host': self.host, 'port': self.port, 'user': self.user, 'sshKeyFile': str(self.folder / 'user_key'),
                'pythonPath': str(Path(sys.executable).parent)}

    def kill(self) -> None:
        """Cut its power: nothing of it gets to say a word."""
        if self._server.poll() is None:
            # sshd's processes write their titles over their environment, so they are found as the server's children.
            for process in (psutil.Process(self._server.pid), *psutil.Process(self._server.pid).children(recursive=True)):
                _kill(process.pid)
            self._server.wait()
        while remaining := processes(self.name):
            for number in remaining:
                _kill(number)
            time.sleep(0.05)

    def kill_trials(self) -> list[int]:
        """Kill the trials that it runs now, and nothing else. Returns their process ids."""
        found = [process for process in processes(self.name) if 'nni_dna.trial' in _read(process, 'cmdline')]
        for process in found:
            _kill(process)
        return found


def processes(mark: str) -> list[int]:
    """The living processes with this mark in their environment."""
    found = []
    for folder in Path('/proc').iterdir():
        if folder.name.isdigit() and f'{MARK}={mark}\0' in _read(int(folder.name), 'environ') \
                and ') Z ' not in _read(int(folder.name), 'stat'):
            found.append(int(folder.name))
    return found


def _read(process: int, file: str) -> str:
    try:
        return Path('/proc', str(process), file).read_bytes().decode(errors='replace')
    except OSError:  # it has ended
        return ''


def _kill(process: int) -> None:
    try:
        os.kill(process, signal.SIGKILL)
    except ProcessLookupError:
        pass


def _free_port(host: str) -> int:
    with socket.socket() as connection:
        connection.bind((host, 0))
        return connection.getsockname()[1]
