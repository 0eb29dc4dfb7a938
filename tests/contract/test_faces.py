"""Both faces share one contract: the same experiment, from a YAML file's settings or by NNI's Python API, is the same."""

from __future__ import annotations

import json
import re
from pathlib import Path
from types import SimpleNamespace

import nni
import numpy as np
import pytest
import strategy_toys
import toys
import torch
from nni.nas.evaluator import FunctionalEvaluator
from running import make_setup

import nni_dna
import nni_dna.strategy.setup as strategy_setup
from nni_dna.campaign.campaign import Campaign
from nni_dna.cli import main
from nni_dna.data import ImageData
from nni_dna.errors import NniDnaError, WorkFolderError
from nni_dna.imports import import_object
from nni_dna.phases import run_campaign
from nni_dna.settings.sections import DataSettings
from nni_dna.strategy.parts import Parts
from nni_dna.strategy.setup import StrategySetup
from nni_dna.weights import save_weights

RETRAIN = {'recipe': 'quick', 'epochs': 2}


def image_data(seed):
    """The images of the first face."""
    return ImageData(DataSettings(**toys.settings('work')['data']), seed)


@nni.trace
class Batches:
    """Its batches for the second face; each reading begins anew, which is the same where there is one epoch."""

    def __init__(self, kind, seed):
        self.kind, self.seed = kind, seed

    def __iter__(self):
        return iter(getattr(image_data(self.seed), self.kind)())


def train(network, seed):
    """An evaluator's function that does what the first face does with a winner."""
    setup = make_setup(Path('/work'), seed=seed, retrain=RETRAIN)
    nni.report_final_result(setup.retrain(network, nni.report_intermediate_result)[0])


@pytest.fixture(scope='module')
def weights(tmp_path_factory):
    torch.manual_seed(0)
    file = tmp_path_factory.mktemp('teacher') / 'teacher.safetensors'
    save_weights(toys.Teacher(), file)
    return str(file)


def by_settings(work, weights, space='toys.Space', definition=None, blocks=None, teacher=None, **changes):
    """An experiment as a YAML file has it."""
    return make_setup(work, definition, **{
        'retrain': RETRAIN, 'distill': {'epochs': 1}, **changes, 'space': {'name': space, 'blocks': blocks},
        'teacher': {'weights': weights, **(teacher or {})}})


def by_python(work, weights, space='toys.Space', definition=None, blocks=None, teacher=None, seed=0, search=None, **changes):
    """The same by NNI's Python API."""
    given = {'name': 'toys.Teacher', 'stages': ['stage1', 'stage2'], 'weights': weights, **(teacher or {})}
    search = {'block_weights' if key == 'weights' else key: value for key, value in (search or {}).items()}
    strategy = strategy_toys.strategy(work, given, search_space=definition, blocks=blocks, seed=seed, **search, **{
        'distill': {'epochs': 1}, 'train_dataloaders': Batches('distillation', seed), 'val_dataloaders': Batches('holdout', seed),
        **changes})
    return strategy_toys.experiment(strategy, import_object(space, 'space')(4), FunctionalEvaluator(train, seed=seed))


def setup_of(experiment):
    """The parts of an experiment by NNI's Python API, as its tasks have them."""
    strategy, space = experiment.strategy, experiment.model_space
    parts = Parts(space=(space.trace_symbol, space.trace_args, space.trace_kwargs), evaluator=experiment.evaluator,
                  **strategy._loaders)
    return StrategySetup(strategy._settings, strategy._definition, parts)


def run_by_settings(work, *args, **changes):
    run_campaign(Campaign(by_settings(work, *args, **changes)))


def run_by_python(work, *args, **changes):
    with pytest.MonkeyPatch.context() as patch:
        strategy_toys.keep_apart(patch, work.parent)
        strategy_toys.run(by_python(work, *args, **changes))


CASES = {
    'cells of their own': {},
    'cells that share weights': {'space': 'toys.Scaled'},
    'one task': {'space': 'toys.Scaled', 'distill': {'epochs': 1, 'tasks': 'joint'}},
    'sampled paths': {'space': 'toys.Scaled', 'rate': {'max_paths': 7, 'calibration_images': 20}, 'seed': 3},
    'restricted': {'definition': {'cell': {'_type': 'choice', '_value': ['deep']}}, 'search': {'top_k': 5, 'max_params': '2k'}},
    'blocks': {'space': 'toys.Scaled', 'blocks': ['last'], 'teacher': {'stages': ['stage2']}},
    'blocks one after another': {'distill': {'epochs': 1, 'input': 'progressive', 'sampling': 'fair'}},
    'a cascade': {'space': 'toys.Scaled', 'distill': {'epochs': 1, 'tasks': 'joint', 'input': 'cascade', 'paths_per_step': 2}},
    'measure, and batch statistics of the teacher': {
        'rate': {'measure': 'cosine', 'calibration_images': 16}, 'teacher': {'batch_norm': 'train'}},
    'peak memory': {'search': {'max_memory': 4300, 'max_madds': 30_000}},
    'stages by resolution': {'space': 'toys.Scaled', 'teacher': {'stages': None}, 'search': {'max_madds': 50_000}},
}


@pytest.fixture(scope='module', params=CASES)
def both(request, tmp_path_factory, weights):
    """Finished work folders of both faces."""
    first, second = (tmp_path_factory.mktemp('face') / 'work' for _ in range(2))
    run_by_settings(first, weights, **CASES[request.param])
    run_by_python(second, weights, **CASES[request.param])
    return SimpleNamespace(first=first, second=second, case=CASES[request.param])


def files(work):
    return {str(file.relative_to(work)): file.read_bytes() for file in work.rglob('*') if file.is_file()}


def journal(work):
    """What happened, without the times and the digests."""
    return [{key: value for key, value in event.items() if key not in ('time', 'sha256', 'basis')}
            for event in map(json.loads, (work / 'journal.jsonl').read_text().splitlines())]


# The same results

def test_chain_shapes_and_costs_are_the_same(both, weights, tmp_path):
    first = by_settings(tmp_path / 'first', weights, **both.case)
    second = setup_of(by_python(tmp_path / 'second', weights, **both.case))
    assert first.chain == second.chain
    assert first.matching.stages == second.matching.stages
    assert list(first.matching.teacher_shapes) == list(second.matching.teacher_shapes)
    assert first.shapes == second.shapes
    assert np.array_equal(first.costs.rest, second.costs.rest)
    for one, other in zip(first.costs.blocks, second.costs.blocks, strict=True):
        assert np.array_equal(one, other) and one.any()
    assert first.num_classes == second.num_classes == 4
    first.check()
    second.check()


def test_rankings_are_the_same(both):
    first, second = (json.loads((work / 'ranking.json').read_text()) for work in (both.first, both.second))
    assert first == second
    assert first['ranking'] and all(entry['accuracy'] is not None for entry in first['ranking'])


def test_the_work_folders_hold_the_same(both):
    first, second = files(both.first), files(both.second)
    assert first.keys() == second.keys()
    differing = {name for name in first if first[name] != second[name]}
    # The settings are each face's own, the recipe is part of a result of the retraining, the journal has times.
    assert {name for name in differing if not name.startswith('retrain/')} == {'settings.json', 'journal.jsonl'}
    assert all(Path(name).name == 'result.json' for name in differing if name.startswith('retrain/'))
    assert sum(name.endswith('.npz') for name in first) >= 1 and sum(name.startswith('retrain/') for name in first) >= 2


def test_the_journals_tell_the_same(both):
    assert journal(both.first) == journal(both.second)


def test_networks_of_either_folder_are_loaded(both):
    images = torch.randn(4, 3, 16, 16)
    for entry in json.loads((both.first / 'ranking.json').read_text())['ranking']:
        first, second = (nni_dna.load(work, entry['rank']) for work in (both.first, both.second))
        assert type(first) is type(second) and repr(first) == repr(second)
        assert torch.equal(first(images), second(images))


def test_networks_of_either_folder_are_exported(both, tmp_path):
    first, second = (nni_dna.export(work, 1, 'pt', tmp_path / f'{index}.pt')
                     for index, work in enumerate((both.first, both.second)))
    # A loader does not say how it normalised its images.
    assert {**first.metadata, 'mean': None, 'std': None} == second.metadata
    one, other = (torch.load(tmp_path / f'{index}.pt', weights_only=True) for index in range(2))
    assert one.keys() == other.keys() and all(torch.equal(one[name], other[name]) for name in one)


def test_show_works_on_either_folder(both, capsys):
    printed = []
    for work in (both.first, both.second):
        assert main(['show', str(work)]) == 0
        printed.append(capsys.readouterr().out.replace(str(work), 'WORK'))
    assert printed[0] == printed[1]
    assert 'phase        done' in printed[0] and re.search(r'^ +1 +\d\.\d{5}', printed[0], re.MULTILINE)


@pytest.mark.parametrize('space', ['toys.Space', 'toys.Scaled'])
def test_over_several_epochs_of_the_same_images_too(tmp_path, weights, monkeypatch, space):
    monkeypatch.setattr(strategy_setup, 'LoaderImages', lambda parts: image_data(0))
    changes = {'space': space, 'distill': {'epochs': 3}}
    first, second = tmp_path / 'first' / 'work', tmp_path / 'second' / 'work'
    first.parent.mkdir()
    second.parent.mkdir()
    run_by_settings(first, weights, **changes)
    run_by_python(second, weights, **changes)
    assert (first / 'ranking.json').read_bytes() == (second / 'ranking.json').read_bytes()
    assert journal(first) == journal(second)


# The same errors

class Forked(toys.Space):
    """No chain: two branches that are added."""

    def forward(self, x):
        first = self.blocks[0](x)
        return self.classifier((self.blocks[1](first) + self.blocks[1](first)).mean((2, 3)))


class Unnormalised(toys.Teacher):
    """Without BatchNorm."""

    def __init__(self, num_classes=4):
        super().__init__(num_classes)
        self.stage1[1] = self.stage2[1] = torch.nn.Identity()


def choice(**labels):
    return {label: {'_type': 'choice', '_value': values} for label, values in labels.items()}


MISTAKES = {
    'limit': {'search': {'max_params': 3}},
    'two limits': {'search': {'max_params': '1k', 'max_madds': 10}},
    'memory': {'search': {'max_memory': '1k', 'max_params': '1M'}},
    'device that is not there': {'search': {'max_latency_ms': 5}, 'latency': {'device': 'cuda:9'}},
    'latencies that are missing': {'search': {'max_latency_ms': 5}, 'latency': {'file': '/nowhere/latency.json'}},
    'label': {'definition': choice(b3=['k1'])},
    'value': {'definition': choice(b1=['k1', 'k7'])},
    'no value': {'definition': choice(b1=[])},
    'malformed definition': {'definition': {'b1': ['k1']}},
    'stage': {'teacher': {'stages': ['stage1', 'stage4']}},
    'stages in the wrong order': {'teacher': {'stages': ['stage2', 'stage1']}},
    'too few stages': {'teacher': {'stages': ['stage1']}},
    'stage without a feature map': {'teacher': {'stages': ['stage1', 'classifier']}},
    'block end': {'space': 'toys.Scaled', 'blocks': ['first', 'lats']},
    'block ends in the wrong order': {'space': 'toys.Scaled', 'blocks': ['last', 'first']},
    'block ends short of a choice': {'space': 'toys.Scaled', 'blocks': ['first', 'more']},
    'more blocks than stages': {'space': 'toys.Scaled', 'blocks': ['first', 'more', 'last'], 'teacher': {'stages': None}},
    'no chain': {'space': 'test_faces.Forked'},
    'teacher that is unknown': {'teacher': {'name': 'resnet19', 'stages': None}},
    'teacher that cannot be imported': {'teacher': {'name': 'toys.Teecher'}},
    'teacher that is no module': {'teacher': {'name': 'toys.images', 'args': {'root': None}}},
    'weights of another network': {'teacher': {'args': {'width': 4}}},
    'weights that are missing': {'teacher': {'weights': '/nowhere/teacher.safetensors'}},
    'weights that nobody has': {'teacher': {'weights': 'pretrained'}},
    'classes of another task': {'teacher': {'weights': 'train', 'args': {'num_classes': 5}}},
    'limit that is no number': {'search': {'max_params': 'few'}},
    'top_k': {'search': {'top_k': 0}},
    'weights of too few blocks': {'search': {'weights': [1.0]}},
    'weight of a block that is unknown': {'search': {'weights': {'block3': 1.0}}},
    'weight below 0': {'search': {'weights': [1.0, -1.0]}},
    'unknown setting': {'rate': {'paths': 3}},
    'measure': {'rate': {'measure': 'l2'}},
    'batch norm': {'teacher': {'batch_norm': 'batch'}},
    'no batch norm': {'teacher': {'name': 'test_faces.Unnormalised', 'batch_norm': 'train', 'weights': 'train'}},
    'wrong type': {'distill': {'lr': 'high'}},
    'input that does not go with the tasks': {'distill': {'input': 'cascade'}},
    'paths of fair steps': {'distill': {'sampling': 'fair', 'paths_per_step': 2}},
    'seed': {'seed': -1},
}


@pytest.mark.parametrize('name', MISTAKES)
def test_mistakes_give_the_same_error(tmp_path, weights, name):
    caught = []
    for number, run in enumerate((run_by_settings, run_by_python)):
        work = tmp_path / str(number) / 'work'
        work.parent.mkdir()
        with pytest.raises(NniDnaError) as error:
            run(work, weights, **MISTAKES[name])
        caught.append((type(error.value), str(error.value)))
        assert not work.exists()
    assert caught[0] == caught[1]


def test_a_folder_of_the_other_face_is_refused_and_left_as_it_is(both, weights):
    for work, run in ((both.second, run_by_settings), (both.first, run_by_python)):
        before = files(work)
        with pytest.raises(WorkFolderError, match='belongs to other settings: .*; name another work folder'):
            run(work, weights, **both.case)
        assert {name: content for name, content in files(work).items() if name != 'lock'} == {
            name: content for name, content in before.items() if name != 'lock'}


# The same search again

def test_searching_again_gives_the_same_on_either_folder(both):
    first, second = (nni_dna.search_again(work, top_k=7, max_params=None, weights=None) for work in (both.first, both.second))
    assert first == second and first['ranking']
    first, second = (nni_dna.pareto_front(work, 'madds', weights={'block1': 0.5}) for work in (both.first, both.second))
    assert first == second and first['front']


def test_either_experiment_goes_on_with_another_search_section_and_the_same_winners(tmp_path, weights):
    works = []
    for number, go in enumerate((run_by_settings, run_by_python)):
        work = tmp_path / str(number) / 'work'
        work.parent.mkdir()
        go(work, weights)
        before = files(work)
        search = {'max_params': 900, 'top_k': 3, 'weights': [1, 2]}
        expected = nni_dna.search_again(work, **search)
        go(work, weights, search=search)
        found = json.loads((work / 'ranking.json').read_text())
        assert [entry['architecture'] for entry in found['ranking']] == [entry['architecture'] for entry in expected['ranking']]
        assert all(entry['accuracy'] is not None for entry in found['ranking'])
        same = {name for name, content in files(work).items() if before.get(name) == content}
        assert {name for name in before if name.startswith(('distill/', 'retrain/', 'costs'))} <= same
        works.append([{**entry, 'weights': None} for entry in found['ranking']])
    assert works[0] == works[1]
