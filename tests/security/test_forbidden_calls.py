"""What the package never calls: whatever runs code that a file holds, or listens on the network."""

from __future__ import annotations

import ast
from pathlib import Path

import pytest

import nni_dna

PACKAGE = Path(nni_dna.__file__).parent
MODULES = sorted(PACKAGE.rglob('*.py'))

FORBIDDEN = {
    'eval', 'exec', 'compile', '__import__', 'pickle.load', 'pickle.loads', 'pickle.Unpickler', 'cloudpickle.load',
    'cloudpickle.loads', 'dill.load', 'dill.loads', 'joblib.load', 'marshal.load', 'marshal.loads', 'shelve.open',
    'yaml.load', 'yaml.load_all', 'yaml.full_load', 'yaml.unsafe_load', 'jsonpickle.decode',
    'pd.read_pickle', 'pandas.read_pickle',
    'torch.hub.load', 'torch.jit.load', 'torch.package.PackageImporter', 'os.system', 'os.popen', 'socket.create_server',
    'tempfile.mktemp'}
SAFE_BY_ARGUMENT = {'torch.load': ('weights_only', True),
                    'np.load': ('allow_pickle', False), 'numpy.load': ('allow_pickle', False)}
UNPICKLERS = ('pickle', 'cloudpickle', 'dill', 'marshal', 'jsonpickle', 'shelve', 'joblib')
PLACES = {
    # By the call, where it may be: the user's own import paths, and what NNI's manager itself was given.
    'importlib.import_module': {'imports.py', 'cli.py', 'lazy.py'},
    'nni.load': {'strategy/parts.py'},
}


def called(node: ast.Call) -> str:
    """The dotted name of what a call calls; empty where it has none."""
    parts, function = [], node.func
    while isinstance(function, ast.Attribute):
        parts.append(function.attr)
        function = function.value
    return '.'.join(reversed([*parts, function.id])) if isinstance(function, ast.Name) else ''


def faults(source: str, place: str) -> list[str]:
    """The calls of a module that it may not make."""
    found = []
    for node in ast.walk(ast.parse(source)):
        if isinstance(node, (ast.Import, ast.ImportFrom)):
            names = [alias.name for alias in node.names] + [getattr(node, 'module', None) or '']
            found += [f'import of {name}' for name in names if name.split('.')[0] in UNPICKLERS]
        if not isinstance(node, ast.Call):
            continue
        name = called(node)
        arguments = {keyword.arg: keyword.value for keyword in node.keywords}
        if name in FORBIDDEN:
            found.append(name)
        if name in SAFE_BY_ARGUMENT:
            argument, value = SAFE_BY_ARGUMENT[name]
            given = arguments.get(argument)
            if not (isinstance(given, ast.Constant) and given.value is value):
                found.append(f'{name} without {argument}={value}')
        if name in PLACES and place not in PLACES[name]:
            found.append(f'{name} in {place}')
        shell = arguments.get('shell')
        if shell is not None and not (isinstance(shell, ast.Constant) and shell.value is False):
            found.append(f'{name} with a shell')
        if isinstance(node.func, ast.Attribute) and node.func.attr in ('listen', 'serve_forever'):
            found.append(f'{node.func.attr} on the network')
        if isinstance(node.func, ast.Attribute) and node.func.attr == 'bind' and 'socket' in source and node.args:
            address = node.args[0]
            local = isinstance(address, ast.Tuple) and isinstance(address.elts[0], ast.Constant) \
                and address.elts[0].value == '127.0.0.1'
            if not local:
                found.append('bind to another address than 127.0.0.1')
    return found


def test_the_package_was_found():
    assert len(MODULES) > 150


def test_no_module_makes_a_forbidden_call():
    found = {str(file.relative_to(PACKAGE)): faults(file.read_text(), file.relative_to(PACKAGE).as_posix()) for file in MODULES}
    assert {file: calls for file, calls in found.items() if calls} == {}


@pytest.mark.parametrize('source', [
    'eval(text)', 'exec(text)', 'import pickle', 'from pickle import load', 'import yaml\nyaml.load(text)', 'torch.load(path)',
    'torch.load(path, weights_only=False)', 'torch.load(path, weights_only=flag)', 'np.load(path)',
    'np.load(path, allow_pickle=True)', 'nni.load(text)', 'importlib.import_module(name)', 'subprocess.run(text, shell=True)',
    'server.serve_forever()', 'import socket\nsocket.socket().bind(("", 0))', '__import__(name)'])
def test_what_is_forbidden_would_be_found(source):
    assert faults(source, 'some.py')


@pytest.mark.parametrize('source', [
    'torch.load(path, weights_only=True)', 'np.load(path, allow_pickle=False)', 'model.eval()', 'yaml.safe_load(text)',
    'inspect.signature(f).bind(1)', 'import socket\nsocket.socket().bind(("127.0.0.1", 0))'])
def test_what_is_safe_is_not(source):
    assert not faults(source, 'some.py')
