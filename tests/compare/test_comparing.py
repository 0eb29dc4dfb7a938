"""``nni-dna compare``: records on disk, the table over seeds, the page; and what it says of what is damaged."""

from __future__ import annotations

import base64
import io
import json
import statistics
import subprocess
import sys

import pytest
from PIL import Image

from nni_dna.cli import main
from nni_dna.compare import Record, load_record, read_records, write_record
from nni_dna.compare.command import write_comparison
from nni_dna.compare.table import HEAD, cells, markdown, missing, rows_of
from nni_dna.errors import ResultError, SettingsError, WorkFolderError

ACCURACIES = {'dna': (0.97, 0.98, 0.99), 'darts': (0.99, 0.95, 0.96), 'enas': (0.9, 0.9, 0.93)}


def record(strategy='dna', seed=0, **changes):
    return Record(**{'strategy': strategy, 'seed': seed, 'task': 'digits', 'settings': {'budget': 4, 'data': {'name': 'digits'}},
                     'architecture': {'stage1_layer1': 'conv3'}, 'accuracy': 0.9, 'params': 1000, 'madds': 20_000,
                     'over_limit': False, 'search_seconds': 10.0, 'search_cpu_seconds': 9.0, 'retrain_seconds': 2.0,
                     'images_seen': 4000, 'peak_memory': 10**9, 'versions': {'torch': '2.5'},
                     **changes})


def records():
    return [record(name, seed, accuracy=accuracy, search_seconds=10.0 * (seed + 1), over_limit=name == 'darts' and seed > 0,
                   peak_memory=10**9 + seed)
            for name, accuracies in ACCURACIES.items() for seed, accuracy in enumerate(accuracies)]


@pytest.fixture
def work(tmp_path):
    for one in records():
        write_record(tmp_path, one)
    return tmp_path


def damage(work, **changes):
    path = work / 'records' / 'dna-1.json'
    path.write_text(json.dumps({**json.loads(path.read_text()), **changes}))


# Records

def test_what_is_written_is_read(work):
    assert sorted(read_records(work), key=str) == sorted(records(), key=str)
    assert load_record(work, 'dna', 2, record().settings) == records()[2]
    assert load_record(work, 'dna', 3, record().settings) is None


def test_a_record_of_other_settings_is_not_taken_for_this_search(work):
    with pytest.raises(SettingsError, match='budget: 4 became 8; take another work folder'):
        load_record(work, 'dna', 0, {**record().settings, 'budget': 8})


def test_settings_with_tuples_are_those_that_json_gives_back(tmp_path):
    settings = {'widths': (8, 16)}
    write_record(tmp_path, record(settings=settings))
    assert load_record(tmp_path, 'dna', 0, settings) is not None


@pytest.mark.parametrize(['changes', 'words'], [
    ({'accuracy': 1.5}, 'accuracy from 0 to 1, got 1.5'), ({'accuracy': 'high'}, "accuracy to be of type float, got 'high'"),
    ({'params': None}, 'params to be of type int'), ({'params': True}, 'params to be of type int'),
    ({'over_limit': 1}, 'over_limit to be of type bool'), ({'search_seconds': -1}, 'search_seconds to be finite'),
    ({'search_seconds': float('inf')}, 'search_seconds to be finite'), ({'accuracy': float('nan')}, 'accuracy from 0 to 1'),
    ({'version': 2}, 'expected version 1 of the format, got 2'), ({'seed': 7}, 'expected the record of dna-1'),
    ({'architecture': []}, 'architecture to be of type')])
def test_a_damaged_record_is_named_with_what_to_do(work, changes, words, capsys):
    damage(work, **changes)
    assert main(['compare', str(work)]) == 1
    message = capsys.readouterr().err
    assert words in message and 'dna-1.json' in message and 'delete it' in message


@pytest.mark.parametrize('content', ['', '[]', '{"version": 1', '\0'])
def test_a_record_that_is_no_json_object_is_named(work, content):
    (work / 'records' / 'dna-1.json').write_text(content)
    with pytest.raises(ResultError, match='dna-1.json: expected a record'):
        read_records(work)


def test_records_of_different_settings_are_not_compared(work):
    damage(work, settings={'budget': 8, 'data': {'name': 'digits'}})
    with pytest.raises(ResultError, match='only searches with equal settings can be compared'):
        read_records(work)


def test_a_folder_without_records_is_refused(tmp_path, capsys):
    assert main(['compare', str(tmp_path / 'none')]) == 1
    assert 'work folder of a comparison' in capsys.readouterr().err
    assert not (tmp_path / 'none').exists()


# The table

def test_rows_have_means_and_sample_deviations_and_the_best_comes_first():
    rows = {row.strategy: row for row in rows_of(records())}
    assert list(rows) == ['dna', 'darts', 'enas']
    for name, accuracies in ACCURACIES.items():
        assert rows[name].accuracy == pytest.approx(sum(accuracies) / 3)
        assert rows[name].deviation == pytest.approx(statistics.stdev(accuracies))
        assert rows[name].search_seconds == pytest.approx(20)
        assert rows[name].peak_memory == 10**9 + 2
        assert rows[name].seeds == (0, 1, 2)
    assert [row.over_limit for row in rows.values()] == [0, 2, 0]


def test_one_seed_has_no_deviation():
    row, = rows_of([record()])
    assert row.deviation is None and '±' not in cells(row)[2]


def test_the_markdown_table_marks_what_is_over_the_limit():
    lines = [[cell.strip() for cell in line.strip('|').split('|')] for line in markdown(rows_of(records())).splitlines()]
    assert tuple(lines[0]) == HEAD and all(len(line) == len(HEAD) for line in lines)
    assert lines[2][:4] == ['dna', '3', '98.00% ± 1.00', '20']
    assert [line[-1] for line in lines[2:]] == ['', '2 of 3', '']


def test_what_is_missing_is_said():
    assert missing(rows_of(records())) == []
    assert missing(rows_of([one for one in records() if (one.strategy, one.seed) != ('enas', 2)])) == ['enas: seed 2']


# The page

def test_the_command_prints_the_table_and_writes_files_that_agree(work, capsys):
    (work / 'records' / 'enas-0.json').unlink()
    assert main(['compare', str(work)]) == 0
    printed = capsys.readouterr().out
    table = (work / 'compare.md').read_text()
    assert table in printed and 'missing: enas: seed 0' in printed and str(work / 'compare.html') in printed
    found = json.loads((work / 'compare.json').read_text())
    assert [row['strategy'] for row in found['strategies']] == ['dna', 'darts', 'enas']
    assert len(found['searches']) == 8 and found['missing'] == ['enas: seed 0']


def test_the_page_holds_its_pictures_and_takes_nothing_from_elsewhere(work, tmp_path):
    page, _ = write_comparison(work, tmp_path / 'out')
    text = page.read_text()
    assert 'src="data:image/png;base64,' in text and '://' not in text and 'url(' not in text and '<script' not in text
    pictures = [part.partition('"')[0] for part in text.split('base64,')[1:]]
    assert len(pictures) == 2
    for picture in pictures:
        image = Image.open(io.BytesIO(base64.b64decode(picture)))
        image.load()
        assert image.width > 400 and len(image.convert('RGB').getcolors(1 << 24)) > 5
    assert 'DNA: place 1 by mean accuracy (98.00%' in text and 'median of the others 20 s' in text
    assert 'over the limit' in text and all(cell in text for row in rows_of(records()) for cell in cells(row))


def test_names_in_records_are_text_on_the_page(work):
    write_record(work, record('dna', 3, architecture={'<script>': 'x'}))
    page, _ = write_comparison(work)
    assert '&lt;script&gt;' in page.read_text() and '<script>' not in page.read_text()


def test_an_output_that_cannot_be_written_is_refused(work):
    (work / 'file').write_text('')
    with pytest.raises(WorkFolderError, match='--output: expected a folder to write to'):
        write_comparison(work, work / 'file')


def test_the_command_needs_no_torch(work):
    code = ('import sys; from nni_dna.cli import main; code = main(["compare", sys.argv[1]]); '
            'sys.exit(code or "torch" in sys.modules or "nni" in sys.modules)')
    done = subprocess.run([sys.executable, '-c', code, str(work)], capture_output=True, text=True, timeout=60)
    assert done.returncode == 0, done.stderr
