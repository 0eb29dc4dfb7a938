"""NNI's manager, as far as its dispatcher depends on it."""

from __future__ import annotations

import subprocess
import sys
import time
from pathlib import Path

import psutil

import nni_dna


def test_a_dispatcher_ends_as_soon_as_its_manager_is_gone(tmp_path):
    code = f'''import os, sys, time
sys.path.insert(0, {str(Path(nni_dna.__file__).parent.parent)!r})
from nni_dna.manager import end_with_manager
end_with_manager()
open({str(tmp_path / "pid")!r}, "w").write(str(os.getpid()))
time.sleep(60)'''
    (tmp_path / 'dispatcher.py').write_text(code)
    shell = f'{sys.executable} {tmp_path / "dispatcher.py"}; true'  # as the manager starts it
    manager = subprocess.Popen([sys.executable, '-c', f'import subprocess; subprocess.run({shell!r}, shell=True)'])
    deadline = time.monotonic() + 30
    while not (tmp_path / 'pid').is_file() or not (tmp_path / 'pid').read_text():
        assert time.monotonic() < deadline and manager.poll() is None
        time.sleep(0.05)
    dispatcher = psutil.Process(int((tmp_path / 'pid').read_text()))
    assert dispatcher.is_running()
    manager.kill()
    manager.wait()
    psutil.wait_procs([dispatcher], timeout=10)
    assert not dispatcher.is_running() or dispatcher.status() == psutil.STATUS_ZOMBIE
