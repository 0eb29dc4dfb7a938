"""Searching again over what was rated: by the command and from Python, and by starting the experiment again."""

from __future__ import annotations

import itertools
import json
import os
import re
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from running import make_setup, open_campaign, run, run_in_process
from work_files import ranking_file

import nni_dna
from nni_dna.campaign.progress import read_progress
from nni_dna.campaign.work import WorkFolder
from nni_dna.cli import main
from nni_dna.errors import InfeasibleError, ResultError, SettingsError, WorkFolderError
from nni_dna.phases import run_campaign

OTHER = {'top_k': 3, 'max_params': 800}


@pytest.fixture(scope='module')
def finished(tmp_path_factory):
    """The best two of 24, without a limit. Tests only read it."""
    return run_in_process(tmp_path_factory.mktemp('finished') / 'work')


@pytest.fixture(scope='module')
def everything(finished):
    """All architectures as (rating per block, params, madds, architecture), from the rating tables and the cost of paths."""
    setup = make_setup(finished)
    tables = [np.concatenate([np.load(finished / 'distill' / block.name / cell.name / 'ratings.npz')['ratings']
                              for cell in block.cells]) for block in setup.chain.blocks]
    found = []
    for paths in itertools.product(*(range(block.paths) for block in setup.chain.blocks)):
        cost = setup.costs.total(setup.chain, paths)
        found.append(([float(table[path]) for table, path in zip(tables, paths)], cost.params, cost.madds,
                      setup.chain.architecture(paths)))
    return found


def files(work):
    return {file: file.read_bytes() for file in work.rglob('*') if file.is_file()}


def command(capsys, *arguments):
    """What a command prints."""
    assert main(list(map(str, arguments))) == 0
    return capsys.readouterr().out


def copied(finished, folder):
    """The finished experiment in another folder."""
    work = folder / 'work'
    work.mkdir()
    for file, content in files(finished).items():
        target = work / file.relative_to(finished)
        target.parent.mkdir(parents=True, exist_ok=True)
        target.write_bytes(content)
    return work


# From Python and by the command

def test_without_changes_it_is_the_experiments_own_ranking(finished):
    own = ranking_file(finished)
    own.pop('num_classes')
    assert nni_dna.search_again(finished) == own
    assert own['block_weights'] == {'block1': 1.0, 'block2': 1.0}


@pytest.mark.parametrize(['weights', 'factors'], [(None, (1, 1)), ([2, 0.5], (2, 0.5)), ({'block1': 0}, (0, 1))])
def test_other_limits_and_weights_give_what_brute_force_finds(finished, everything, weights, factors):
    best = sorted(((sum(map(np.multiply, factors, entry[0])), *entry) for entry in everything if entry[2] <= 20_000),
                  key=lambda entry: entry[0])[:4]
    found = nni_dna.search_again(finished, top_k=4, max_madds='20k', weights=weights)
    assert [(entry['rating'], entry['block_ratings'], entry['params'], entry['madds'], entry['architecture'])
            for entry in found['ranking']] == [(pytest.approx(best_one[0], rel=1e-12), *best_one[1:]) for best_one in best]
    assert found['limits'] == {'max_params': None, 'max_madds': 20_000}
    assert found['block_weights'] == dict(zip(('block1', 'block2'), factors))


def test_the_front_is_that_of_brute_force_and_knows_what_was_retrained(finished, everything):
    found = nni_dna.pareto_front(finished, 'madds')
    front = [entry for entry in everything if not any(
        other[2] <= entry[2] and sum(other[0]) <= sum(entry[0]) and (other[2], sum(other[0])) != (entry[2], sum(entry[0]))
        for other in everything)]
    assert found['cost'] == 'madds'
    assert sorted(json.dumps(entry['architecture']) for entry in found['front']) == sorted(
        json.dumps(entry[3]) for entry in front)
    own = {json.dumps(entry['architecture']): entry['accuracy'] for entry in ranking_file(finished)['ranking']}
    assert [entry['accuracy'] for entry in found['front']] == [
        own.get(json.dumps(entry['architecture'])) for entry in found['front']]
    assert found['front'][-1]['accuracy'] is not None  # the best of all


def test_the_command_prints_and_writes_the_same_and_nothing_else(finished, tmp_path, capsys):
    before = files(finished)
    expected = nni_dna.search_again(finished, top_k=3, max_params=800, weights={'block2': 2})
    options = ['--top-k', 3, '--max-params', 800, '--weights', 'block2=2']
    printed = command(capsys, 'search', finished, *options, '--json', '--output', tmp_path / 'found.json')
    assert json.loads(printed) == json.loads((tmp_path / 'found.json').read_text()) == expected
    table = command(capsys, 'search', finished, *options)
    assert 'the best of 24 architectures; limits: max_params 800; weights: block2 2' in table
    for entry in expected['ranking']:
        assert re.search(rf'^ +{entry["rank"]} +{entry["rating"]:.5f} +{entry["params"]} ', table, re.MULTILINE)
    assert files(finished) == before
    assert sorted(tmp_path.iterdir()) == [tmp_path / 'found.json']


def test_the_command_prints_the_front(finished, capsys):
    expected = nni_dna.pareto_front(finished, 'params', weights=[1, 3])
    printed = command(capsys, 'search', finished, '--front', 'params', '--weights', '1,3', '--json')
    assert json.loads(printed) == expected
    table = command(capsys, 'search', finished, '--front', 'params', '--weights', '1,3')
    assert f'the {len(expected["front"])} best trade-offs with params of 24 architectures' in table
    assert len(table.splitlines()) == 2 + len(expected['front'])


def test_none_lifts_a_limit_of_the_experiment(finished, tmp_path, capsys):
    work = copied(finished, tmp_path)
    settings = json.loads((work / 'settings.json').read_text())
    settings['settings']['search'].update(max_params=300.0, weights=[1.0, 2.0])
    (work / 'settings.json').write_text(json.dumps(settings))
    limited = json.loads(command(capsys, 'search', work, '--json'))
    assert limited['limits']['max_params'] == 300 and limited['block_weights']['block2'] == 2
    lifted = json.loads(command(capsys, 'search', work, '--max-params', 'none', '--weights', 'none', '--json'))
    assert lifted == nni_dna.search_again(finished)


@pytest.mark.parametrize(['options', 'message'], [
    (['--max-params', '3'], r'InfeasibleError: .*search.max_params \(search.max_params: the cheapest possible is 204'),
    (['--max-params', 'few'], 'SettingsError: search.max_params: expected a number above 0'),
    (['--top-k', '0'], 'SettingsError: search.top_k: expected a whole number of at least 1'),
    (['--weights', '1,x'], 'SettingsError: --weights: expected numbers such as 1,1,2'),
    (['--weights', '1,block2=2'], 'SettingsError: --weights: expected numbers such as 1,1,2'),
    (['--weights', '1,1,1'], 'SettingsError: search.weights: expected one number for each of the 2 blocks'),
    (['--weights', '1,-1'], 'SettingsError: search.weights: expected a list of numbers of at least 0'),
    (['--weights', 'block1=nan'], 'SettingsError: search.weights: expected a list of numbers of at least 0'),
    (['--weights', 'blok1=2'], "SettingsError: search.weights: the space has no block 'blok1'; nearest known: block1"),
    (['--front', 'param'], "SettingsError: front: expected one of the costs params, madds, got 'param'; nearest known: params"),
    (['--output', '/nowhere/found.json'], 'SettingsError: --output: expected a file in a folder that exists'),
    (['--output', '/'], 'SettingsError: --output: expected a file, got the folder /')])
def test_mistakes_are_one_error_and_exit_with_1(finished, capsys, options, message):
    assert main(['search', str(finished), *options]) == 1
    captured = capsys.readouterr()
    assert re.match(message, captured.err) and captured.out == ''


def test_errors_from_python_are_of_their_kinds(finished, tmp_path):
    with pytest.raises(InfeasibleError):
        nni_dna.search_again(finished, max_madds=1)
    with pytest.raises(SettingsError, match='search.max_param: unknown setting; nearest known: max_params'):
        nni_dna.search_again(finished, max_param=1)
    with pytest.raises(WorkFolderError, match='name the work folder of an experiment'):
        nni_dna.search_again(tmp_path)


def test_before_all_blocks_are_rated_it_says_what_is_missing(tmp_path, capsys):
    campaign = open_campaign(tmp_path / 'work')
    assert main(['search', str(tmp_path / 'work')]) == 1
    assert 'not all blocks are rated yet: teacher 0 of 1, distill 0 of 3 done, block1/shallow, block1/deep, block2/only missing' \
        in capsys.readouterr().err
    for _ in range(2):
        task = campaign.next_task()
        campaign.started(task, campaign.new_parameter_id())
        campaign.finished(task, run(campaign, task))
    with pytest.raises(ResultError, match='teacher 1 of 1, distill 1 of 3 done, block1/deep, block2/only missing'):
        nni_dna.search_again(tmp_path / 'work')
    while campaign.phase == 'distill':
        task = campaign.next_task()
        campaign.started(task, campaign.new_parameter_id())
        campaign.finished(task, run(campaign, task))
    assert campaign.phase == 'retrain'  # and not done: the search need not wait
    assert [entry['accuracy'] for entry in nni_dna.search_again(tmp_path / 'work')['ranking']] == [None, None]


@pytest.mark.parametrize(['name', 'message'], [
    ('distill/block1/deep/ratings.npz', 'distill/block1/deep: .*ratings.npz is missing or not the file that the trial wrote'),
    ('distill/block2/only/result.json', 'distill/block2/only: .*not the file that the trial reported'),
    ('costs.npz', 'costs.npz is missing or not the file that the experiment wrote .*; start the experiment again')])
def test_a_file_that_is_not_the_one_that_was_rated_is_refused(finished, tmp_path, name, message):
    work = copied(finished, tmp_path)
    content = (work / name).read_bytes()
    (work / name).write_bytes(content[:-1] + b'x')
    with pytest.raises(ResultError, match=message):
        nni_dna.search_again(work)
    (work / name).unlink()
    with pytest.raises(ResultError):
        nni_dna.search_again(work)


def test_supernets_are_neither_needed_nor_hashed(finished, tmp_path):
    work = copied(finished, tmp_path)
    for file in work.rglob('supernet.safetensors'):
        file.unlink()
    assert nni_dna.search_again(work) == nni_dna.search_again(finished)


def test_a_folder_of_before_cost_tables_says_that_a_restart_writes_them(finished, tmp_path):
    work = copied(finished, tmp_path)
    (work / 'costs.npz').unlink()
    lines = [json.loads(line) for line in (work / 'journal.jsonl').read_text().splitlines()]
    kept = [{key: value for key, value in line.items() if key not in ('results', 'costs', 'retrain')} for line in lines]
    (work / 'journal.jsonl').write_text(''.join(json.dumps(line) + '\n' for line in kept))
    assert read_progress(WorkFolder(work)).counts['retrain'] == (2, 2)
    with pytest.raises(ResultError, match='earlier version of nni_dna, .*; start it again on this work folder'):
        nni_dna.search_again(work)
    assert open_campaign(work).done
    assert nni_dna.search_again(work) == nni_dna.search_again(finished)


def test_neither_torch_nor_nni_is_imported(finished):
    script = ('import sys; from nni_dna.cli import main; code = main(sys.argv[1:]);'
              'print([name for name in ("torch", "nni", "pytorch_lightning") if name in sys.modules]); sys.exit(code)')
    for options in ([], ['--front', 'params']):
        done = subprocess.run([sys.executable, '-c', script, 'search', str(finished), *options], capture_output=True, text=True,
                              env={**os.environ, 'PYTHONPATH': str(Path(nni_dna.__file__).parents[1])}, timeout=60)
        assert done.returncode == 0, done.stderr
        assert done.stdout.splitlines()[-1] == '[]'


# The experiment itself, started again

def finished_tasks(work, since=0):
    events = [json.loads(line) for line in (work / 'journal.jsonl').read_text().splitlines()]
    return [event['task'] for event in events if event['event'] == 'finished'][since:]


def test_another_search_section_retrains_only_new_winners_and_loses_none(finished, tmp_path):
    work = copied(finished, tmp_path)
    before, first = ranking_file(work), finished_tasks(work)
    expected = nni_dna.search_again(work, **OTHER)
    campaign = open_campaign(work, search=OTHER)
    assert campaign.phase == 'retrain'
    assert read_progress(campaign.work).counts['retrain'] == (0, 3)
    run_campaign(campaign)
    campaign.close()
    now = ranking_file(work)
    assert [{**entry, 'accuracy': None, 'weights': None} for entry in now['ranking']] == expected['ranking']
    assert finished_tasks(work, len(first)) == [
        f'retrain/{Path(entry["weights"]).parent.name}' for entry in now['ranking']]
    assert not {entry['weights'] for entry in before['ranking']} & {entry['weights'] for entry in now['ranking']}
    for entry in now['ranking']:
        assert sum(weight.numel() for weight in nni_dna.load(work, entry['rank']).parameters()) == entry['params']
    assert open_campaign(work).done  # the first search again: its winners are still there
    assert ranking_file(work) == before
    assert len(finished_tasks(work)) == len(first) + 3


def test_a_winner_that_was_retrained_at_another_rank_is_taken_over(finished, tmp_path):
    work = copied(finished, tmp_path)
    campaign = open_campaign(work, search={'top_k': 3})
    run_campaign(campaign)
    campaign.close()
    *_, third = ranking_file(work)['ranking']
    campaign = open_campaign(work, search={'top_k': 2, 'max_params': third['params']})
    entry = ranking_file(work)['ranking'][0]
    assert entry == {**third, 'rank': 1} and entry['accuracy'] is not None
    assert campaign.next_task().details['rank'] == 2
    assert read_progress(campaign.work).counts['retrain'] == (1, 2)
    run_campaign(campaign)
    campaign.close()
    assert ranking_file(work)['ranking'][0] == entry
    assert sum(weight.numel() for weight in nni_dna.load(work, 1).parameters()) == third['params']


def test_a_ranking_file_that_points_elsewhere_is_not_followed(finished, tmp_path):
    work = copied(finished, tmp_path)
    found = ranking_file(work)
    for place in ('retrain/rank1/other.safetensors', '../elsewhere/model.safetensors'):
        found['ranking'][0]['weights'] = place
        (work / 'ranking.json').write_text(json.dumps(found))
        with pytest.raises(ResultError):
            nni_dna.load(work)


def test_more_winners_keep_those_there_are(finished, tmp_path):
    work = copied(finished, tmp_path)
    before = ranking_file(work)['ranking']
    campaign = open_campaign(work, search={'top_k': 4})
    assert ranking_file(work)['ranking'][:2] == before
    assert campaign.next_task().id == 'retrain/rank3'
    campaign.close()
    campaign = open_campaign(work, search={'top_k': 1})
    assert campaign.done and ranking_file(work)['ranking'] == before[:1]
    assert read_progress(campaign.work).counts['retrain'] == (1, 1)


def without_places(work):
    return [{**entry, 'weights': None} for entry in ranking_file(work)['ranking']]


def test_a_winner_whose_training_nobody_heard_of_is_not_lost_by_another_search(finished, tmp_path):
    work = tmp_path / 'work'
    campaign = open_campaign(work)
    while campaign.phase != 'retrain':
        task = campaign.next_task()
        campaign.started(task, campaign.new_parameter_id())
        campaign.finished(task, run(campaign, task))
    task = campaign.next_task()
    campaign.started(task, campaign.new_parameter_id())
    run(campaign, task)  # and the campaign dies before it hears
    campaign.close()
    other = open_campaign(work, search=OTHER)
    run_campaign(other)
    other.close()
    again = open_campaign(work)
    assert again.next_task().details['rank'] == 2
    run_campaign(again)
    assert without_places(work) == without_places(finished)


def test_a_search_that_nothing_can_meet_leaves_the_folder_as_it_is(finished, tmp_path):
    work = copied(finished, tmp_path)
    before = files(work)
    with pytest.raises(InfeasibleError):
        open_campaign(work, search={'max_params': 3})
    with pytest.raises(SettingsError, match='search.weights: expected one number for each of the 2 blocks'):
        open_campaign(work, search={'weights': [1, 2, 3]})
    assert files(work) == before


def test_weights_of_the_settings_decide_the_ranking(finished, tmp_path):
    work = copied(finished, tmp_path)
    expected = nni_dna.search_again(work, weights=[0, 1])
    assert expected['ranking'][0]['architecture'] != ranking_file(work)['ranking'][0]['architecture'] or \
        expected['ranking'][1]['architecture'] != ranking_file(work)['ranking'][1]['architecture']
    open_campaign(work, search={'weights': {'block1': 0}})
    now = ranking_file(work)
    assert now['block_weights'] == {'block1': 0.0, 'block2': 1.0}
    assert [entry['architecture'] for entry in now['ranking']] == [entry['architecture'] for entry in expected['ranking']]
    assert [entry['rating'] for entry in now['ranking']] == [entry['block_ratings'][1] for entry in now['ranking']]
