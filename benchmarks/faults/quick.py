"""Trials that start in two seconds instead of seven, for campaigns of hundreds of tiny ones.

A server has imported what every trial imports (but nothing of NNI, which reads its environment when it is imported); for each
trial it forks a process, which takes over the trial's environment, folder and output and runs ``nni_dna.trial``. It ends with
the process that NNI started, and that one with it.

    python quick.py serve SOCKET        the server
    python quick.py SOCKET              a trial, as NNI starts it
"""

from __future__ import annotations

import json
import os
import socket
import sys

__all__: list[str] = []


def trial(path: str) -> int:
    """Have a trial run, and give its exit code; nothing but the standard library is imported for it."""
    with socket.socket(socket.AF_UNIX) as connection:
        connection.connect(path)
        socket.send_fds(connection, [b'x'], [0, 1, 2])
        connection.sendall(json.dumps({'env': dict(os.environ), 'cwd': os.getcwd()}).encode() + b'\n')
        code = connection.recv(1)
    return code[0] if code else 137  # as a shell says that it was killed


def serve(path: str) -> None:
    """Fork trials until this process is ended."""
    import signal

    import pytorch_lightning  # noqa: F401
    import sklearn.datasets  # noqa: F401
    import torchmetrics.classification  # noqa: F401
    import torchvision  # noqa: F401
    signal.signal(signal.SIGCHLD, signal.SIG_IGN)
    server = socket.socket(socket.AF_UNIX)
    server.bind(path)
    server.listen(64)
    while True:
        connection, _ = server.accept()
        if os.fork() == 0:
            server.close()
            _become(connection, path)
        connection.close()


def _become(connection: socket.socket, path: str) -> None:
    import signal
    import threading
    signal.signal(signal.SIGCHLD, signal.SIG_DFL)
    _, files, _, _ = socket.recv_fds(connection, 1, 3)
    for number, file in enumerate(files):
        os.dup2(file, number)
    given = json.loads(connection.makefile('rb').readline())
    os.environ.clear()
    os.environ.update(given['env'])
    os.chdir(given['cwd'])
    sys.path[:0] = [given['cwd'], *filter(None, given['env'].get('PYTHONPATH', '').split(os.pathsep))]
    with open(f'{path}.{os.environ["NNI_TRIAL_JOB_ID"]}', 'w') as file:
        file.write(str(os.getpid()))

    def end_with_it() -> None:
        connection.recv(1)
        os._exit(1)

    threading.Thread(target=end_with_it, daemon=True).start()
    code = 1
    try:
        from nni_dna.trial import main
        code = main()
    except BaseException:
        import traceback
        traceback.print_exc()
    finally:
        sys.stdout.flush()
        sys.stderr.flush()
        connection.sendall(bytes([code]))
        os._exit(code)


if __name__ == '__main__':
    if sys.argv[1] == 'serve':
        serve(sys.argv[2])
    sys.exit(trial(sys.argv[1]))
