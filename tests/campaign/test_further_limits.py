"""Limits on peak memory and latency in a campaign: where latencies come from, and the ranking under all limits at once."""

from __future__ import annotations

import itertools
import json

import numpy as np
import pytest
import toys
import torch
import yaml
from running import SCALED, make_setup, open_campaign, run_in_process
from work_files import ranking_file

from nni_dna.campaign import latency
from nni_dna.campaign.ranking import check_limits, rank
from nni_dna.cli import main
from nni_dna.cost.latency import Latencies
from nni_dna.errors import InfeasibleError, SettingsError, WorkFolderError
from nni_dna.settings.sections import SearchSettings


@pytest.fixture
def measured(monkeypatch):
    """Made-up milliseconds instead of measured ones; a list of the numbers of parts, one for each measurement."""
    calls = []

    def measure(parts, conditions):
        parts = {part.key: part for part in parts}
        calls.append(len(parts))
        return Latencies(conditions=conditions, machine={'name': 'made up', 'torch': torch.__version__},
                         parts={key: {'module': '', 'input': list(part.shape), 'ms': 0.1 + int(key[:8], 16) % 100 / 7}
                                for key, part in parts.items()})
    monkeypatch.setattr(latency, 'measure', measure)
    return calls


def everything(setup, ratings):
    """All architectures of a setup with both further costs: (rating, params, madds, memory, ms, architecture), best first."""
    found = []
    for paths in itertools.product(*(range(block.paths) for block in setup.chain.blocks)):
        parts = setup.parts.of(paths)
        cost = setup.costs.total(setup.chain, paths)
        found.append((sum(table[path] for table, path in zip(ratings, paths)), cost.params, cost.madds,
                      max(part.peak for part in parts), sum(setup.latencies.milliseconds(part) for part in parts),
                      setup.chain.architecture(paths)))
    return sorted(found, key=lambda entry: entry[0])


@pytest.mark.parametrize('shares', itertools.product((0.5, 1), repeat=4))
def test_all_limits_combine(tmp_path, measured, shares):
    setup = make_setup(tmp_path / 'work', search={'max_memory': '1G', 'max_latency_ms': 1e6}, **SCALED)
    rng = np.random.default_rng(int(8 * sum(shares)))
    ratings = [rng.random(block.paths) for block in setup.chain.blocks]
    found = everything(setup, ratings)
    names = ('max_params', 'max_madds', 'max_memory', 'max_latency_ms')
    limits = {name: float(np.quantile([entry[index] for entry in found], share))
              for index, (name, share) in enumerate(zip(names, shares), start=1)}
    limits['max_latency_ms'] += 1e-9  # added up in another order here
    kept = [entry for entry in found if all(entry[index] <= limits[name] for index, name in enumerate(names, start=1))]
    assert 0 < len(kept) and (len(kept) < len(found)) == (min(shares) < 1)
    settings = SearchSettings(top_k=100, **limits)
    best = rank(setup.chain, setup.costs, ratings, settings)
    assert [entry['architecture'] for entry in best] == [entry[-1] for entry in kept]
    assert [(entry['params'], entry['madds'], entry['memory']) for entry in best] == [entry[1:4] for entry in kept]
    assert [entry['latency_ms'] for entry in best] == pytest.approx([entry[4] for entry in kept], rel=1e-12)
    assert check_limits(setup.chain, setup.costs, settings) == len(kept)


@pytest.mark.parametrize('name, column', [('max_memory', 3), ('max_latency_ms', 4)])
def test_a_limit_that_nothing_keeps_is_an_error_with_the_cheapest_of_each(tmp_path, measured, name, column):
    search = {'max_memory': '1G', 'max_latency_ms': 1e6, 'max_params': '1M'}
    setup = make_setup(tmp_path / 'work', search=search, **SCALED)
    found = everything(setup, [np.zeros(block.paths) for block in setup.chain.blocks])
    least = min(entry[column] for entry in found)
    with pytest.raises(InfeasibleError, match=f'limit on search.{name} .*the cheapest possible is') as caught:
        open_campaign(tmp_path / 'work', search={**search, name: least * 0.999}, **SCALED)
    assert not (tmp_path / 'work').exists()
    assert caught.value.cheapest == {f'search.{limit}': pytest.approx(min(entry[index] for entry in found), rel=1e-12)
                                     for index, limit in [(1, 'max_params'), (2, 'max_madds'), (3, 'max_memory'),
                                                          (4, 'max_latency_ms')]}


def test_nothing_is_measured_and_nothing_is_told_where_no_limit_asks(tmp_path, measured):
    work = run_in_process(tmp_path / 'work')
    assert measured == [] and not (work / 'latency.json').exists()
    found = ranking_file(work)
    assert found['limits'] == {'max_params': None, 'max_madds': None} and 'latency' not in found
    assert not {'memory', 'latency_ms'} & set(found['ranking'][0])


def test_latencies_are_measured_once_kept_in_the_work_folder_and_told(tmp_path, measured, capsys):
    search = {'max_latency_ms': 1e3, 'max_memory': '0.5M'}
    work = run_in_process(tmp_path / 'work', search=search, latency={'batch_size': 3})
    assert len(measured) == 1
    kept = (work / 'latency.json').read_bytes()
    stored = json.loads(kept)
    assert (stored['device'], stored['batch_size'], stored['threads'], stored['machine']['name']) == ('cpu', 3, 1, 'made up')
    assert len(stored['parts']) == measured[0]
    found = ranking_file(work)
    assert found['limits'] == {'max_params': None, 'max_madds': None, 'max_memory': 5e5, 'max_latency_ms': 1e3}
    assert found['latency'] == {'device': 'cpu', 'batch_size': 3, 'threads': 1, 'name': 'made up', 'torch': torch.__version__}
    assert all(entry['latency_ms'] > 0 and entry['memory'] > 0 for entry in found['ranking'])
    assert open_campaign(work, search=search, latency={'batch_size': 3}).done
    assert len(measured) == 1 and (work / 'latency.json').read_bytes() == kept and ranking_file(work) == found
    assert main(['show', str(work)]) == 0
    printed = capsys.readouterr().out
    assert 'limits: max_memory 500,000, max_latency_ms 1,000' in printed and 'memory (B)  latency (ms)  accuracy' in printed
    for entry in found['ranking']:
        assert f'{entry["memory"]:,}  ' in printed and f'{entry["latency_ms"]:.3f}  ' in printed


def test_a_file_in_the_work_folder_that_is_damaged_is_named(tmp_path, measured):
    search = {'max_latency_ms': 1e3}
    open_campaign(tmp_path / 'work', search=search).close()
    (tmp_path / 'work' / 'latency.json').write_text('{"version": 1')
    with pytest.raises(WorkFolderError, match='latency.json cannot be read: .*; delete it to measure again'):
        open_campaign(tmp_path / 'work', search=search)
    (tmp_path / 'work' / 'latency.json').unlink()
    open_campaign(tmp_path / 'work', search=search).close()
    assert len(measured) == 2


def test_what_was_measured_under_other_settings_or_for_another_space_does_not_count(tmp_path, measured, caplog):
    setup = make_setup(tmp_path / 'work', search={'max_latency_ms': 1e3})
    (tmp_path / 'work').mkdir()
    latency.write_latencies(setup.latencies, tmp_path / 'work' / 'latency.json')
    assert make_setup(tmp_path / 'work', search={'max_latency_ms': 5e3}).latencies == setup.latencies and len(measured) == 1
    for change in ({'latency': {'threads': 2}}, {'data': {'image_size': 32}}):
        assert make_setup(tmp_path / 'work', search={'max_latency_ms': 1e3}, **change).latencies != setup.latencies
    assert len(measured) == 3 and caplog.text.count('measured again') == 2


def test_a_file_from_another_machine_is_taken_instead_of_measuring(tmp_path, measured):
    file = tmp_path / 'phone.json'
    found = make_setup(tmp_path / 'work', search={'max_latency_ms': 1e3}).latencies
    latency.write_latencies(found, file)
    given = {'search': {'max_latency_ms': 1e3}, 'latency': {'file': 'phone.json'}}
    work = run_in_process(tmp_path / 'work', **given)
    assert len(measured) == 1
    assert (work / 'latency.json').read_bytes() == file.read_bytes()
    for change, message in [
            ({'latency': {**given['latency'], 'threads': 2}}, r'latency.file: expected .*threads=2.* got .*threads=1'),
            ({'data': {'image_size': 32}}, r'latency.file: .*phone.json lacks \d+ of \d+ parts of this space')]:
        with pytest.raises(SettingsError, match=message + '.*nni-dna latency CONFIG FILE'):
            make_setup(tmp_path / 'other', **{**given, **change}).check()
    file.write_text('[]')
    with pytest.raises(SettingsError, match='latency.file: .*phone.json cannot be read: expected measured latencies'):
        make_setup(tmp_path / 'other', **given).check()


def test_the_command_line_measures_for_such_a_file_and_check_counts_it(tmp_path, monkeypatch, capsys):
    monkeypatch.setattr('nni_dna.cost.latency.SECONDS', 0.001)
    config, file = tmp_path / 'config.yml', tmp_path / 'here.json'

    def write(**changes):
        arguments = toys.settings(tmp_path / 'work', **changes)
        config.write_text(yaml.safe_dump({'searchSpace': {}, 'tuner': {'className': 'DNA', 'classArgs': arguments}}))
    write()
    assert main(['latency', str(config), str(file)]) == 0
    assert 'parts measured on' in capsys.readouterr().out
    assert all(part['ms'] > 0 for part in json.loads(file.read_text())['parts'].values())
    monkeypatch.setattr(latency, 'measure', None)  # nothing is measured from here on
    write(search={'max_latency_ms': 1e4}, latency={'file': 'here.json'})
    assert main(['check', str(config)]) == 0
    write(search={'max_latency_ms': 1e-6}, latency={'file': 'here.json'})
    assert main(['check', str(config)]) == 1
    assert 'InfeasibleError' in (error := capsys.readouterr().err) and 'search.max_latency_ms' in error
    assert not (tmp_path / 'work').exists()
    assert main(['latency', str(config), str(tmp_path / 'no' / 'here.json')]) == 1
    assert 'expected a file in a folder that exists' in capsys.readouterr().err
