"""Bad input to the Python face, to every command, and in every kind of file: one error that names the place and the remedy."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

import numpy as np
import pytest
import toys
from old_work.reading import SETTINGS
from PIL import Image
from remedies import says
from running import open_campaign
from test_mutated_input import digest

import nni_dna
from nni_dna.cli import main
from nni_dna.data import ImageData
from nni_dna.errors import DataError, NniDnaError
from nni_dna.settings.reader import read_section
from nni_dna.settings.sections import DataSettings
from nni_dna.trust import trust

OLD = Path(__file__).parent / 'old_work' / 'format_1' / 'folder'


@pytest.fixture
def work(tmp_path):
    """A work folder with one winner of two."""
    return Path(shutil.copytree(OLD, tmp_path / 'work'))


# The Python face

@pytest.mark.parametrize(['arguments', 'option'], [
    pytest.param({'teacher': 3}, 'teacher', id='teacher is a number'),
    pytest.param({'teacher': lambda: None}, 'teacher', id='teacher is a lambda'),
    pytest.param({'teacher': toys.Teacher.forward}, 'teacher', id='teacher is a method'),
    pytest.param({'teacher': {}}, 'teacher.name', id='teacher without a name'),
    pytest.param({'teacher': {'name': 'resnet18', 'weight': 'x'}}, 'teacher.weight', id='unknown setting of the teacher'),
    pytest.param({'teacher': {'name': 'resnet18', 'weights': 'a\0b'}}, 'teacher.weights', id='a name that no file can have'),
    pytest.param({'top_k': 0}, 'search.top_k', id='no winners'),
    pytest.param({'top_k': True}, 'search.top_k', id='a truth value of winners'),
    pytest.param({'max_params': 'many'}, 'search.max_params', id='a limit in words'),
    pytest.param({'max_madds': float('nan')}, 'search.max_madds', id='a limit that is no number'),
    pytest.param({'max_memory': -1}, 'search.max_memory', id='a negative limit'),
    pytest.param({'max_latency_ms': '3M'}, 'search.max_latency_ms', id='milliseconds as a text'),
    pytest.param({'block_weights': []}, 'search.weights', id='no weights'),
    pytest.param({'block_weights': {'block1': -1}}, 'search.weights', id='a negative weight'),
    pytest.param({'work': ''}, 'work', id='no work folder'),
    pytest.param({'work': 'x' * 300}, 'work', id='a name that is too long'),
    pytest.param({'blocks': 'blocks.0'}, 'blocks', id='a text of blocks'),
    pytest.param({'search_space': 3}, 'search_space', id='a number as a search space'),
    pytest.param({'search_space': '/nowhere.json'}, 'search_space', id='no search-space file'),
    pytest.param({'distill': 3}, 'distill', id='a section that is a number'),
    pytest.param({'distill': {'tasks': 'cells'}}, 'distill.tasks', id='unknown word'),
    pytest.param({'distill': {'input': 'cascade'}}, 'distill.tasks', id='settings that exclude each other'),
    pytest.param({'rate': {'max_path': 3}}, 'rate.max_path', id='unknown setting'),
    pytest.param({'latency': {'device': 'gpu'}}, 'latency.device', id='unknown device'),
    pytest.param({'mutation_hooks': [3]}, 'mutation_hooks', id='a hook that is no function'),
    pytest.param({'seed': -1}, 'seed', id='negative seed'),
    pytest.param({'retries': 0.5}, 'retries', id='half a try'),
    pytest.param({'threads': 0}, 'threads', id='no threads'),
])
def test_an_argument_of_the_strategy_that_is_wrong_is_named(arguments, option, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    with pytest.raises(NniDnaError) as caught:
        nni_dna.DNA(**{'teacher': 'resnet18', 'work': 'work', **arguments})
    says(str(caught.value), option)
    assert not list(tmp_path.iterdir())


# Commands

@pytest.mark.parametrize(['line', 'parts'], [
    pytest.param('check none.yml', ['none.yml'], id='check a missing file'),
    pytest.param('check .', ['cannot be read'], id='check a folder'),
    pytest.param('show nowhere', ['nowhere', 'settings.json'], id='show what is not there'),
    pytest.param('show --architecture dna-z', ['dna-z', 'dna-a'], id='show an unknown architecture'),
    pytest.param('show --architecture dna-a --image-size 0', ['--image-size'], id='show it at no size'),
    pytest.param('show --architecture dna-a --image-size -3', ['--image-size'], id='show it at a negative size'),
    pytest.param('latency none.yml out.json', ['none.yml'], id='measure a missing file'),
    pytest.param('search nowhere', ['nowhere'], id='search nowhere'),
    pytest.param('search work --max-params many', ['search.max_params', 'many'], id='search under words'),
    pytest.param('search work --max-params 1', ['search.max_params', '1'], id='search under what nothing meets'),
    pytest.param('search work --max-memory 1k', ['search.max_memory'], id='search under what was not counted'),
    pytest.param('search work --top-k 0', ['search.top_k'], id='search for none'),
    pytest.param('search work --weights 1', ['search.weights', 'block1'], id='search with too few weights'),
    pytest.param('search work --weights block9=1', ['search.weights', 'block9'], id='search with an unknown block'),
    pytest.param('search work --weights x', ['--weights', "'x'"], id='search with letters'),
    pytest.param('search work --front size', ['front', 'size', 'params'], id='search along an unknown cost'),
    pytest.param('search work --output nowhere/x.json', ['--output', 'nowhere'], id='search into no folder'),
    pytest.param('export work --rank 9 --format pt --output x.pt', ['rank', '9'], id='export an unknown rank'),
    pytest.param('export work --rank 2 --format pt --output x.pt', ['rank', '2'], id='export what is not trained'),
    pytest.param('export work --format pt --output nowhere/x', ['--output'], id='export into no folder'),
    pytest.param('export work --format pt --output x --image-size 0', ['--image-size'], id='export at no size'),
    pytest.param('export nowhere --format pt --output x', ['nowhere'], id='export nothing'),
    pytest.param('space export dgits', ['dgits', 'digits'], id='an unknown space'),
    pytest.param('space export nothing.there', ["'nothing'"], id='a space that cannot be imported'),
    pytest.param('space export os:getcwd', ['space.', 'os:getcwd'], id='a space that is none'),
    pytest.param('transfer work --data dgits --output new', ['data.name', 'dgits', 'digits'], id='transfer to unknown data'),
    pytest.param('transfer work --data cifar10 --output new', ['data.root'], id='transfer to no folder'),
    pytest.param('transfer work --data digits --output new --set epochs=3', ['--set', 'epochs=3'], id='set nothing'),
    pytest.param('transfer work --data digits --output new --set retrain.epoch=3', ['retrain.epoch', 'epochs'],
                 id='set what is unknown'),
    pytest.param('transfer work --data digits --output new --recipe quickly', ['retrain.recipe', 'quick'], id='unknown recipe'),
    pytest.param('transfer work --data digits --output work', ['--output'], id='transfer onto something else'),
    pytest.param('transfer work --data digits --output new --rank 7', ['rank', '7'], id='transfer an unknown rank'),
    pytest.param('report nowhere', ['nowhere'], id='report on nothing'),
    pytest.param('report work --output work/settings.json', ['--output'], id='report into a file'),
    pytest.param('compare work', ['records'], id='compare nothing'),
    pytest.param('trust nowhere', ['nowhere', 'settings.json'], id='trust nothing'),
])
def test_a_command_that_cannot_be_done_says_why_and_changes_nothing(line, parts, work, monkeypatch, capsys):
    monkeypatch.chdir(work.parent)
    trust(work)
    before = digest(work.parent)
    assert main(line.split()) == 1
    output = capsys.readouterr()
    assert not output.out
    says(output.err, *parts)
    assert digest(work.parent) == before


# Files

def rewrite(file: Path, **changes) -> None:
    file.write_text(json.dumps({**json.loads(file.read_text()), **changes}))


def table(file: Path, **changes) -> None:
    with np.load(file) as found:
        arrays = {**found, **changes}
    np.savez(file, **{name: array for name, array in arrays.items() if array is not None})


JOURNAL = {'version': 1, 'time': 1.0}
FAILED = {**JOURNAL, 'event': 'failed', 'error': ''}


@pytest.mark.parametrize(['name', 'damage', 'parts'], [
    pytest.param('settings.json', lambda f: f.write_text(''), ['JSON'], id='empty settings'),
    pytest.param('settings.json', lambda f: f.write_text('[]'), ['a mapping, got list'], id='settings that are a list'),
    pytest.param('settings.json', lambda f: rewrite(f, settings=3), ['settings: expected a mapping, got 3'], id='settings: 3'),
    pytest.param('settings.json', lambda f: f.write_bytes(b'\xff\xfe{'), ['JSON'], id='settings in no text'),
    pytest.param('journal.jsonl', lambda f: f.write_bytes(b'x\n' + f.read_bytes()), ['line 1', 'JSON'], id='a line of nonsense'),
    pytest.param('journal.jsonl', lambda f: f.write_text('[' * 100_000 + '\n'), ['line 1', 'JSON'], id='a line that is too deep'),
    pytest.param('journal.jsonl', lambda f: f.write_text(json.dumps({**JOURNAL, 'event': 'finished'}) + '\n'),
                 ['line 1', "expected the field 'task'"], id='an event without its task'),
    pytest.param('journal.jsonl', lambda f: f.write_text(json.dumps({**FAILED, 'task': 3}) + '\n'),
                 ['line 1', 'task: expected PHASE/NAME, got 3'], id='an event of task 3'),
    pytest.param('journal.jsonl', lambda f: f.write_text(json.dumps({'version': 1, 'event': 'done', 'time': 'now'}) + '\n'),
                 ['line 1', "time: expected a finite number, got 'now'"], id='an event of no time'),
    pytest.param('ranking.json', lambda f: f.write_text('{'), ['JSON'], id='half a ranking'),
    pytest.param('ranking.json', lambda f: rewrite(f, ranking=[{'rank': 1}]), ["ranking[0]: expected the field 'architecture'"],
                 id='a ranking of nothing'),
    pytest.param('ranking.json', lambda f: rewrite(f, limits={'max_params': 'x'}), ['limits[max_params]', "'x'"],
                 id='a ranking under a word'),
    pytest.param('costs.npz', lambda f: f.write_bytes(f.read_bytes()[:200]), ['SHA-256'], id='half a cost table'),
    pytest.param('costs.npz', lambda f: f.unlink(), ['missing'], id='no cost table'),
    pytest.param('distill/block2/only/ratings.npz', lambda f: f.unlink(), ['missing', 'SHA-256'], id='no rating table'),
    pytest.param('distill/block2/only/ratings.npz', lambda f: table(f, ratings=np.zeros(4)), ['SHA-256'], id='other ratings'),
    pytest.param('distill/groups/1-of-2/result.json', lambda f: f.write_text('{}'), ['SHA-256'], id='an empty result'),
    pytest.param('distill/groups/1-of-2/result.json', lambda f: f.unlink(), ['missing'], id='no result'),
])
def test_a_damaged_file_of_the_work_folder_is_named(name, damage, parts, work, capsys):
    damage(work / name)
    before = digest(work)
    assert (main(['show', str(work)]), main(['search', str(work)])) in ((1, 1), (0, 1))
    says(capsys.readouterr().err.splitlines()[-1], Path(name).name, *parts)
    assert digest(work) == before


@pytest.mark.parametrize(['name', 'damage', 'parts'], [
    pytest.param('loads.json', lambda f: rewrite(f, teacher=[1]), ['other'], id='loads of one block'),
    pytest.param('loads.json', lambda f: rewrite(f, teacher=['x', 1]), ["teacher[0]: expected a finite number, got 'x'"],
                 id='loads in letters'),
    pytest.param('latency.json', lambda f: rewrite(f, parts={'x': {'ms': -1.0}}), ['milliseconds above 0'],
                 id='negative latency'),
    pytest.param('latency.json', lambda f: f.write_text('x'), ['cannot be read'], id='no latencies'),
    pytest.param('journal.jsonl', lambda f: f.write_bytes(b'x\n' + f.read_bytes()), ['line 1'], id='journal'),
    pytest.param('settings.json', lambda f: rewrite(f, code=None), ['code: expected text, got None'], id='settings'),
])
def test_an_experiment_is_not_started_on_damage(name, damage, parts, work):
    damage(work / name)
    before = digest(work)
    with pytest.raises(NniDnaError) as caught:
        open_campaign(work, **SETTINGS)
    says(str(caught.value), name, *parts)
    assert digest(work) == before


@pytest.mark.parametrize('suffix', ['.json', '.yml'])
@pytest.mark.parametrize(['content', 'part'], [
    (b'', 'valid|to hold a mapping'), (b'[1]', 'to hold a mapping, got list'), (b'{', 'no valid YAML or JSON'),
    (b'\0', 'no valid YAML or JSON'), (b'[' * 100_000, 'no valid YAML or JSON'), (b'\xff\xff', 'cannot be read'),
    (None, 'cannot be read')])
def test_a_search_space_file_that_is_none_is_named(content, part, suffix, tmp_path):
    file = tmp_path / f'space{suffix}'
    if content is not None:
        file.write_bytes(content)
    with pytest.raises(NniDnaError, match=part) as caught:
        nni_dna.DNA('resnet18', search_space=file)
    says(' '.join(str(caught.value).split()), 'search_space', file.name)


# Images

def folder_of_images(root: Path) -> Path:
    for part in ('train', 'test'):
        for label in 'ab':
            (root / part / label).mkdir(parents=True)
            for number in range(3):
                Image.new('RGB', (8, 8), (number, 0, 0)).save(root / part / label / f'{number}.png')
    return root


def images(root: Path, **changes) -> ImageData:
    raw = {'name': 'imagefolder', 'root': str(root), 'image_size': 8, 'batch_size': 2, 'holdout_per_class': 1, 'augment': 'none',
           **changes}
    return ImageData(read_section(DataSettings, raw, root, 'data'), 0)


@pytest.mark.parametrize(['damage', 'parts'], [
    pytest.param(lambda root: shutil.rmtree(root), ['data.root', 'existing folder'], id='no folder'),
    pytest.param(lambda root: shutil.rmtree(root / 'test'), ['data.root', "'test'"], id='no test images'),
    pytest.param(lambda root: shutil.rmtree(root / 'test' / 'b'), ['data.root', 'classes that differ'], id='a class is missing'),
    pytest.param(lambda root: [file.unlink() for file in (root / 'train' / 'a').iterdir()], ['data.name'], id='an empty class'),
    pytest.param(lambda root: (root / 'train' / 'a' / '0.png').write_bytes(b'\x89PNG'), ['data.name', 'first image', '0.png'],
                 id='a cut-off image'),
    pytest.param(lambda root: (root / 'train' / 'a' / '0.png').write_text('<html>'), ['data.name', 'first image', '0.png'],
                 id='a page in place of an image'),
])
def test_images_that_cannot_be_read_are_named_before_the_start(damage, parts, tmp_path):
    damage(folder_of_images(tmp_path / 'images'))
    with pytest.raises(DataError) as caught:
        images(tmp_path / 'images')
    says(' '.join(str(caught.value).split()), *parts)


@pytest.mark.parametrize('part', ['train', 'test'])
def test_an_image_that_breaks_while_a_trial_runs_is_named(part, tmp_path):
    root = folder_of_images(tmp_path / 'images')
    data = images(root)
    broken = root / part / 'b' / '2.png'
    broken.write_bytes(broken.read_bytes()[:30])
    with pytest.raises(DataError) as caught:
        list(data.test() if part == 'test' else data.retraining())
    says(' '.join(str(caught.value).split()), 'data.name', str(broken))
