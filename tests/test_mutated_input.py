"""Valid settings and files, spoiled at random: each gives a result or one error of ours, and what is refused changes nothing.

``NNI_DNA_EXAMPLES=2000 pytest -o addopts= tests/test_mutated_input.py`` tries many more.
"""

from __future__ import annotations

import argparse
import contextlib
import hashlib
import io
import json
import shutil
import tempfile
from pathlib import Path

import nni_dna
import pytest
import toys
import yaml
from hypothesis import given
from hypothesis import strategies as st
from mutations import ODD, damaged, few, in_time, spoiled
from old_work.reading import SETTINGS
from running import make_setup, open_campaign
from safetensors.torch import save

from nni_dna.campaign.check import check_config
from nni_dna.campaign.latency import WORK_FILE, find_latencies
from nni_dna.campaign.rated import read_rated
from nni_dna.campaign.work import WorkFolder
from nni_dna.cli import main
from nni_dna.compare.records import Record, read_records, write_record
from nni_dna.errors import NniDnaError
from nni_dna.report.facts.folder import read_folder
from nni_dna.report.facts.over_training import read_over_training
from nni_dna.settings import read_settings
from nni_dna.show import show
from nni_dna.spaces import to_definition
from nni_dna.spaces.files import restrict
from nni_dna.trust import trust
from nni_dna.weights import load_weights

TESTS = Path(__file__).parent
OLD = TESTS / 'old_work' / 'format_1' / 'folder'
BASE = Path('/nowhere/at/all')


def tried(use):
    """What came of it: a result (True), or an error of ours that says something (False). Anything else is a failure."""
    with in_time():
        try:
            use()
            return True
        except NniDnaError as error:
            assert len(str(error)) > 20, repr(error)
            return False


def digest(folder: Path) -> str:
    """Of all files of a folder, their names included."""
    found = hashlib.sha256()
    for file in sorted(folder.rglob('*')):
        found.update(str(file.relative_to(folder)).encode() + b'\0' + (file.read_bytes() if file.is_file() else b''))
    return found.hexdigest()


@pytest.fixture(autouse=True, scope='module')
def trusted_by_nobody(tmp_path_factory):
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv('XDG_STATE_HOME', str(tmp_path_factory.mktemp('state')))
        yield


@contextlib.contextmanager
def scratch():
    """A folder for one example."""
    with tempfile.TemporaryDirectory(prefix='nni_dna-mutated-') as folder:
        yield Path(folder)


# Settings

WHOLE = {**toys.settings('work'), 'seed': 3, 'retries': 2, 'threads': 1, 'latency': {'device': 'cpu', 'batch_size': 1},
         'distill': {'epochs': 4, 'tasks': 'cell', 'lr': 0.005, 'input': 'teacher', 'sampling': 'fair', 'rate_every': 2},
         'rate': {'calibration_images': 16, 'max_paths': 100, 'measure': 'l1'},
         'search': {'top_k': 2, 'max_params': '4.2M', 'max_madds': 3e8, 'weights': {'block1': 1, 'block2': 0.5}},
         'retrain': {'recipe': 'quick', 'epochs': 2, 'lr': 0.1, 'ema': 0.9, 'devices': 'auto', 'augment': 'crop'}}


@few(150)
@given(spoiled(WHOLE))
def test_settings_of_a_yaml_file(raw):
    tried(lambda: read_settings(raw, BASE))


ARGUMENTS = {'teacher': {'name': 'toys.Teacher', 'stages': ['stage1', 'stage2'], 'weights': 'train', 'args': {'width': 8}},
             'top_k': 2, 'max_params': '4.2M', 'max_madds': 3e8, 'max_memory': '1M', 'max_latency_ms': 3.0,
             'block_weights': [1, 2], 'work': 'work', 'blocks': ['blocks.0', 'blocks.1'],
             'search_space': {'cell': {'_type': 'choice', '_value': ['deep']}},
             'distill': {'epochs': 3, 'lr': 0.1}, 'rate': {'measure': 'mse'}, 'latency': {'threads': 2}, 'mutation_hooks': [],
             'seed': 0, 'retries': 2, 'threads': 1}


@few(150)
@given(spoiled(ARGUMENTS))
def test_arguments_of_the_strategy(arguments):
    arguments = arguments if isinstance(arguments, dict) else {}
    unknown = set(arguments) - set(ARGUMENTS)
    known = {name: value for name, value in arguments.items() if name not in unknown}
    known.setdefault('teacher', ARGUMENTS['teacher'])  # Python itself refuses what is missing or unknown
    tried(lambda: nni_dna.DNA(**known))


CONFIG = {'searchSpace': {'cell': {'_type': 'choice', '_value': ['deep', 'shallow']}}, 'trialConcurrency': 1,
          'trialCommand': 'python -m nni_dna.trial', 'maxTrialNumber': 40, 'trainingService': {'platform': 'local'},
          'tuner': {'className': 'nni_dna.DNAAdvisor', 'codeDirectory': str(TESTS), 'classArgs': WHOLE}}


def checked(text: bytes) -> None:
    """Check a config file: whatever comes of it, nothing else is written."""
    with scratch() as folder:
        (folder / 'config.yml').write_bytes(text.replace(b'work: work', f'work: {folder}/work'.encode()))
        before = digest(folder)
        tried(lambda: check_config(folder / 'config.yml'))
        assert digest(folder) == before


@few(20)
@given(spoiled(CONFIG))
def test_a_config_file_with_other_values(config):
    checked(yaml.safe_dump(config).encode())


@few(40)
@given(damaged(yaml.safe_dump(CONFIG).encode()))
def test_a_config_file_with_other_bytes(text):
    checked(text)


DEFINITION = to_definition(toys.Space())


@few(100)
@given(st.one_of(spoiled(DEFINITION), spoiled({
    'cell': {'_type': 'randint', '_value': [0, 2]}, 'b1': {'_type': 'quniform', '_value': [0, 3, 0.5]}})))
def test_a_search_space(definition):
    tried(lambda: restrict(toys.Space(), definition))


# Files of the work folder

USES = {
    'show': lambda work: show(work),
    'search': lambda work: nni_dna.search_again(work),
    'front': lambda work: nni_dna.pareto_front(work, 'params', max_params=1500),
    'rated': lambda work: read_rated(WorkFolder(work)),
    'report': lambda work: (read_folder(work), read_over_training(work)),
    'load': lambda work: (trust(work), nni_dna.load(work)),
}
FILES = sorted(str(file.relative_to(OLD)) for file in OLD.rglob('*') if file.is_file())
TREES = {name: json.loads((OLD / name).read_text()) for name in FILES if name.endswith('.json')}
LINES = [json.loads(line) for line in (OLD / 'journal.jsonl').read_text().splitlines()]


@st.composite
def spoiled_files(draw, only=()):
    """A file of the work folder, and other content for it."""
    name = draw(st.sampled_from(only or [*FILES, 'journal.jsonl', 'journal.jsonl', 'ranking.json', 'settings.json']))
    if draw(st.booleans()):
        return name, draw(damaged((OLD / name).read_bytes()))
    if name == 'journal.jsonl':
        lines = draw(spoiled(LINES))
        return name, b''.join(json.dumps(line).encode() + b'\n' for line in (lines if isinstance(lines, list) else [lines]))
    if name in TREES:
        return name, json.dumps(draw(spoiled(TREES[name]))).encode()
    return name, draw(damaged((OLD / name).read_bytes()))


@few(150)
@given(spoiled_files(), st.sampled_from(sorted(USES)))
def test_a_work_folder_that_is_only_read(changed, use):
    with scratch() as folder:
        work = Path(shutil.copytree(OLD, folder / 'work'))
        (work / changed[0]).write_bytes(changed[1])
        before = digest(work)
        tried(lambda: USES[use](work))
        assert digest(work) == before


@few(25)
@given(spoiled_files())
def test_a_work_folder_on_which_an_experiment_is_started_again(changed):
    with scratch() as folder:
        work = Path(shutil.copytree(OLD, folder / 'work'))
        (work / changed[0]).write_bytes(changed[1])
        before = digest(work)
        if not tried(lambda: open_campaign(work, **SETTINGS).close()):
            (work / 'lock').unlink(missing_ok=True)
            assert digest(work) == before


RESULTS = [name for name in TREES if name.endswith('result.json')]


def vouched_for(work: Path, name: str, content: bytes) -> None:
    """Put a result into a folder whose journal says that it is the right one."""
    (work / name).write_bytes(content)
    old, new = (hashlib.sha256(found).hexdigest() for found in ((OLD / name).read_bytes(), content))
    journal = work / 'journal.jsonl'
    journal.write_text(journal.read_text().replace(old, new))


@few(40)
@given(st.sampled_from(RESULTS).flatmap(lambda name: st.tuples(st.just(name), spoiled(TREES[name]))),
       st.sampled_from([*sorted(USES), 'start']))
def test_a_result_that_the_journal_vouches_for(changed, use):
    with scratch() as folder:
        work = Path(shutil.copytree(OLD, folder / 'work'))
        vouched_for(work, changed[0], json.dumps(changed[1]).encode())
        tried(lambda: open_campaign(work, **SETTINGS).close() if use == 'start' else USES[use](work))


# Other files

@few(150)
@given(damaged(save(toys.Teacher().state_dict())))
def test_weights(content):
    with scratch() as folder:
        (folder / 'x.safetensors').write_bytes(content)
        tried(lambda: load_weights(toys.Teacher(), folder / 'x.safetensors', 'teacher.weights'))


def torch_bytes() -> bytes:
    import torch
    buffer = io.BytesIO()
    torch.save(toys.Teacher().state_dict(), buffer)
    return buffer.getvalue()


@few(60)
@given(damaged(torch_bytes()))
def test_weights_of_torch(content):
    with scratch() as folder:
        (folder / 'x.pt').write_bytes(content)
        tried(lambda: load_weights(toys.Teacher(), folder / 'x.pt', 'teacher.weights'))


SETUP = make_setup(OLD, **SETTINGS)


@few(60)
@given(st.one_of(spoiled_files([WORK_FILE])))
def test_measured_latencies(changed):
    import dataclasses
    with scratch() as folder:
        file = folder / 'latency.json'
        file.write_bytes(changed[1])
        latency = dataclasses.replace(SETUP.settings.latency, file=file)
        tried(lambda: find_latencies(dataclasses.replace(SETUP.settings, latency=latency), SETUP.parts))


RECORD = Record(strategy='dna', seed=1, task='t', settings={'budget': 7}, architecture={'a': 1}, accuracy=0.5, params=10,
                madds=20, over_limit=False, search_seconds=1.0, search_cpu_seconds=1.0, retrain_seconds=1.0, images_seen=5,
                peak_memory=6, versions={'torch': '2'})


def record_bytes() -> bytes:
    with scratch() as folder:
        write_record(folder, RECORD)
        return (folder / 'records' / 'dna-1.json').read_bytes()


@few(40)
@given(st.one_of(damaged(record_bytes()), spoiled(json.loads(record_bytes())).map(lambda tree: json.dumps(tree).encode())))
def test_records_of_a_comparison(content):
    with scratch() as folder:
        (folder / 'records').mkdir()
        (folder / 'records' / 'dna-1.json').write_bytes(content)
        tried(lambda: read_records(folder))


# The command line

LETTERS = st.characters(min_codepoint=1, exclude_categories=['Cs'])  # no argument can hold others
WORDS = st.one_of(st.text(LETTERS, max_size=6), st.sampled_from([
    *(str(value)[:400] for value in ODD if value != '\0'), '--', '-x', 'none', 'block1=2', 'block1=x', '1,2', 'params', 'dna-a',
    'digits', 'cifar10', 'imagefolder:/nowhere', 'toys.images', 'torch.nn:Linear', 'data.root=5', '=']))
COMMANDS = {
    'check': [['{}']], 'show': [['{}'], ['{work}'], ['--architecture', '{}'], ['--architecture', 'dna-a', '--image-size', '{}']],
    'latency': [['{}', '{}']], 'trust': [['{}']], 'report': [['{}'], ['{}', '--output', '{}']],
    'search': [['{}'], ['{work}', '--max-params', '{}'], ['{work}', '--max-latency-ms', '{}', '--top-k', '{}'],
               ['{work}', '--weights', '{}'], ['{work}', '--front', '{}'], ['{work}', '--max-memory', '{}']],
    'export': [['{}', '--format', 'pt', '--output', '{}'],
               ['{work}', '--rank', '{}', '--format', 'pt', '--output', 'x.pt'],
               ['{work}', '--format', '{}', '--output', 'x'],
               ['{work}', '--format', 'pt', '--output', 'x', '--image-size', '{}']],
    'space': [['export', '{}'], ['{}', 'dna']], 'compare': [['{}'], ['{}', '--output', '{}']],
    'transfer': [['{work}', '--data', '{}', '--output', 'new'], ['{work}', '--data', 'digits', '--output', 'new', '--set', '{}'],
                 ['{work}', '--data', 'digits', '--output', 'new', '--recipe', '{}'],
                 ['{work}', '--data', 'digits', '--output', 'new', '--rank', '{}', '--seed', '{}']]}


@st.composite
def command_lines(draw):
    """A sub-command with odd words in some places."""
    command = draw(st.sampled_from(sorted(COMMANDS)))
    line = draw(st.sampled_from(COMMANDS[command]))
    return [command, *(draw(WORDS) if word == '{}' else word for word in line)]


@few(40)
@given(command_lines())
def test_the_command_line(line):
    with scratch() as folder, pytest.MonkeyPatch.context() as patch:
        patch.chdir(folder)
        work = Path(shutil.copytree(OLD, folder / 'work'))
        before = digest(folder)
        errors = io.StringIO()
        with contextlib.redirect_stdout(io.StringIO()), contextlib.redirect_stderr(errors), in_time():
            try:
                code = main([word.replace('{work}', str(work)) for word in line])
            except SystemExit as exit:
                code = exit.code
        assert code in (0, 1, 2)
        assert code == 0 or errors.getvalue().strip()
        assert code != 1 or digest(folder) == before, line


def test_every_command_is_tried():
    parsers = []
    add = argparse._SubParsersAction.add_parser

    def noted(self, name, **options):
        parsers.append(name)
        return add(self, name, **options)

    with pytest.MonkeyPatch.context() as patch, pytest.raises(SystemExit), contextlib.redirect_stdout(io.StringIO()):
        patch.setattr(argparse._SubParsersAction, 'add_parser', noted)
        main(['--help'])
    assert {*parsers} - {'export'} == {*COMMANDS} - {'export'} and 'export' in COMMANDS
