"""Work folders that earlier versions wrote are read for ever: the same answers, and the experiment goes on."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

import numpy as np
import pytest
import torch
from old_work.reading import SETTINGS, answers
from running import open_campaign

import nni_dna
from nni_dna.campaign.groups import LOADS_FILE
from nni_dna.campaign.progress import read_progress
from nni_dna.campaign.work import WorkFolder
from nni_dna.cli import main
from nni_dna.errors import ResultError, SettingsError, WorkFolderError
from nni_dna.phases import run_campaign
from nni_dna.trust import trust

HERE = Path(__file__).parent
FOLDERS = sorted(path.name for path in HERE.glob('format_*'))


def of(name: str) -> Path:
    return HERE / name / 'folder'


def copied(name: str, tmp_path: Path) -> Path:
    return Path(shutil.copytree(of(name), tmp_path / 'work'))


def held(now, before) -> bool:
    """Whether all that was said is said still; more may be said."""
    if isinstance(before, dict):
        return isinstance(now, dict) and all(key in now and held(now[key], value) for key, value in before.items())
    if isinstance(before, list):
        return isinstance(now, list) and len(now) == len(before) and all(map(held, now, before))
    return now == before


def contents(work: Path) -> dict[str, bytes]:
    return {str(file.relative_to(work)): file.read_bytes() for file in work.rglob('*') if file.is_file()}


@pytest.fixture(autouse=True)
def where_the_code_is(monkeypatch, tmp_path):
    monkeypatch.setenv('XDG_STATE_HOME', str(tmp_path / 'state'))  # nobody has trusted these folders yet


@pytest.mark.parametrize('name', FOLDERS)
def test_the_answers_are_those_of_the_version_that_wrote_it(name):
    before = contents(of(name))
    assert held(answers(of(name)), json.loads((HERE / name / 'answers.json').read_text()))
    assert contents(of(name)) == before


@pytest.mark.parametrize('name', FOLDERS)
def test_its_report_shows_the_ranking_and_what_each_epoch_found(name, tmp_path, capsys):
    work = copied(name, tmp_path)
    trust(work)
    assert main(['report', str(work)]) == 0
    page = Path(capsys.readouterr().out.strip()).read_text()
    known = json.loads((HERE / name / 'answers.json').read_text())
    for entry in known['search']['ranking']:
        assert f'{entry["rating"]:.5f}' in page and f'{entry["params"]:,}' in page
    assert 'id="over-training"' in page and 'runs this task again' not in page and 'expected' not in page


@pytest.mark.parametrize('name', FOLDERS)
def test_its_winner_computes_what_its_weights_say(name, tmp_path):
    work = copied(name, tmp_path)
    trust(work)
    network = nni_dna.load(work)
    with np.errstate(all='raise'), torch.no_grad():
        logits = network(torch.zeros(2, 3, 16, 16))
    assert logits.shape == (2, 4) and torch.isfinite(logits).all()


@pytest.mark.parametrize('name', FOLDERS)
def test_its_experiment_goes_on_and_trains_only_what_was_missing(name, tmp_path):
    work = copied(name, tmp_path)
    before, lines = contents(work), (work / 'journal.jsonl').read_text()
    campaign = open_campaign(work, **SETTINGS)
    assert (campaign.phase, campaign.next_task().id) == ('retrain', 'retrain/rank2')
    run_campaign(campaign)
    after = contents(work)
    kept = [file for file in before
            if file.startswith(('teacher/', 'distill/', 'retrain/')) or file in (LOADS_FILE, 'latency.json')]
    assert {file: after[file] for file in kept} == {file: before[file] for file in kept}
    assert (work / 'journal.jsonl').read_text().startswith(lines)
    assert read_progress(WorkFolder(work)).phase == 'done'
    assert json.loads(after['ranking.json'])['ranking'][1]['weights'] == 'retrain/rank2/model.safetensors'


def rewritten(file: Path, version) -> None:
    """Say that a file is of another version."""
    if file.suffix == '.npz':
        with np.load(file) as table:
            arrays = dict(table)
        if 'header' in arrays:
            header = {**json.loads(arrays['header'].tobytes()), 'version': version}
            arrays['header'] = np.frombuffer(json.dumps(header).encode(), dtype=np.uint8)
        else:
            arrays['version'] = np.array(version)
        np.savez(file, **arrays)
    elif file.suffix == '.jsonl':
        first, *rest = file.read_text().splitlines(keepends=True)
        file.write_text(json.dumps({**json.loads(first), 'version': version}) + '\n' + ''.join(rest))
    else:
        file.write_text(json.dumps({**json.loads(file.read_text()), 'version': version}))


def read(file: str, work: Path) -> None:
    """Read a file by what reads it, past the digests that would say first that it is another file."""
    from nni_dna.campaign.stored import block_ratings, load_costs
    from nni_dna.report.facts.over_training import read_over_training
    if file == 'costs.npz':
        load_costs(work / file)
    elif file.endswith('ratings.npz'):
        block_ratings(work, load_costs(work / 'costs.npz').chain.blocks[1])
    elif file.endswith('result.json'):
        WorkFolder(work).read_result('teacher/train')
    elif file == 'over_training.json':
        read_over_training(work)
    elif file in ('loads.json', 'latency.json'):
        open_campaign(work, **SETTINGS)
    else:
        answers(work)


@pytest.mark.parametrize('version', [2, 'b', 1.5, True])
@pytest.mark.parametrize('file', [
    'settings.json', 'journal.jsonl', 'ranking.json', 'over_training.json', 'loads.json', 'latency.json', 'costs.npz',
    'distill/block2/only/ratings.npz', 'teacher/train/result.json'])
def test_a_file_of_another_version_is_refused_with_the_remedy(file, version, tmp_path):
    work = copied('format_1', tmp_path)
    rewritten(work / file, version)
    before = contents(work)
    with pytest.raises((WorkFolderError, ResultError, SettingsError)) as caught:
        read(file, work)
    message = str(caught.value)
    assert Path(file).name in message and 'expected version 1 of the format' in message and f'got {version!r}' in message
    assert ('upgrade nni_dna' in message) == (version == 2)
    assert contents(work) == before


def test_the_settings_say_which_nni_dna_wrote_them():
    assert json.loads((of('format_1') / 'settings.json').read_text())['nni_dna'] == '0.1.0'
