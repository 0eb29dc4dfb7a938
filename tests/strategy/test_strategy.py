"""DNA as the strategy of a NasExperiment, on NNI's sequential engine."""

from __future__ import annotations

import itertools
import json
import logging
import signal
from types import SimpleNamespace

import nni
import pytest
import pytorch_lightning as pl
import strategy_toys
import toys
import torch
from nni.nas.evaluator import FunctionalEvaluator
from nni.nas.evaluator.pytorch import DataLoader, Regression
from nni.nas.execution import ExecutionEngine
from nni.nas.experiment import NasExperiment
from nni.nas.experiment.config import SequentialEngineConfig
from nni.nas.hub.pytorch import NasBench201
from nni.nas.nn.pytorch import ModelSpace
from nni.nas.space import ModelStatus, RawFormatModelSpace, SimplifiedModelSpace, model_context
from nni.nas.space.space import ExecutableModelSpace
from strategy_toys import QUIET, Pictures, evaluator, experiment, lightning, loader, run, strategy
from torch import nn

import nni_dna
from nni_dna.campaign.locks import lock_folder
from nni_dna.errors import (CampaignError, DataError, InfeasibleError, NniDnaError, ResultError, SettingsError, SpaceError,
                            TeacherError, WorkFolderError)
from nni_dna.strategy.parts import Parts
from nni_dna.strategy.settings import read_strategy_settings
from nni_dna.strategy.setup import StrategySetup
from nni_dna.strategy.task import DNATask
from nni_dna.weights import save_weights


def events(work, kind):
    """The tasks of a kind of event in the journal."""
    file = work / 'journal.jsonl'
    lines = file.read_text().splitlines() if file.is_file() else []
    return [event['task'] for event in map(json.loads, lines) if event['event'] == kind]


def ranking(work):
    return json.loads((work / 'ranking.json').read_text())['ranking']


def rated(work):
    """The ranking as far as no training of the winners has a part in it."""
    return [{key: value for key, value in entry.items() if key not in ('accuracy', 'weights')} for entry in ranking(work)]


@pytest.fixture(scope='module')
def teacher(tmp_path_factory):
    """A teacher that need not be trained."""
    torch.manual_seed(0)
    file = tmp_path_factory.mktemp('teacher') / 'teacher.safetensors'
    save_weights(toys.Teacher(), file)
    return {'name': toys.Teacher, 'weights': str(file)}


@pytest.fixture(scope='module')
def finished(tmp_path_factory, teacher):
    """An experiment that nothing disturbed."""
    folder = tmp_path_factory.mktemp('finished')
    with pytest.MonkeyPatch.context() as patch:
        strategy_toys.keep_apart(patch, folder)
        done = experiment(strategy(folder / 'work', teacher))
        assert run(done) is True
    return SimpleNamespace(work=folder / 'work', experiment=done)


@pytest.fixture
def work(tmp_path):
    return tmp_path / 'work'


TASKS = ['distill/block1/shallow', 'distill/block1/deep', 'distill/block2/only', 'retrain/rank1', 'retrain/rank2']


# The end of an experiment

def test_an_experiment_ends_with_trained_networks(finished):
    assert events(finished.work, 'started') == events(finished.work, 'finished') == TASKS
    entries = ranking(finished.work)
    assert [entry['rank'] for entry in entries] == [1, 2]
    assert entries[0]['rating'] <= entries[1]['rating']
    assert all(0 <= entry['accuracy'] <= 1 for entry in entries)
    models = finished.experiment.export_top_models(2)
    assert [model.metric for model in models] == [entry['accuracy'] for entry in entries]
    assert [model.status for model in models] == [ModelStatus.Trained] * 2


def test_the_teacher_is_trained_first_where_no_weights_are_given(work):
    run(experiment(strategy(work)))
    assert events(work, 'finished') == ['teacher/train', *TASKS]


def test_the_raw_format_gives_the_same(work, teacher, finished):
    done = experiment(strategy(work, teacher), model_format='raw')
    assert run(done) is True
    assert ranking(work) == ranking(finished.work)
    assert [type(model) for model in done.export_top_models(2)] == [RawFormatModelSpace] * 2
    assert [type(model) for model in finished.experiment.export_top_models(2)] == [SimplifiedModelSpace] * 2
    for formatter in ('dict', 'instance'):
        raw, simplified = (one.export_top_models(2, formatter=formatter) for one in (done, finished.experiment))
        assert list(map(repr, raw)) == list(map(repr, simplified))


def test_one_task_for_all_supernets_gives_the_same(work, teacher, finished):
    run(experiment(strategy(work, teacher, distill={'tasks': 'joint'})))
    assert events(work, 'finished') == ['distill/all', 'retrain/rank1', 'retrain/rank2']
    assert [entry['architecture'] for entry in ranking(work)] == [entry['architecture'] for entry in ranking(finished.work)]
    for one, other in zip(ranking(work), ranking(finished.work)):
        assert one['rating'] == pytest.approx(other['rating'], rel=1e-5)


def test_the_cut_is_printed_before_anything_is_trained(work, teacher, capsys):
    strategy(work, teacher).initialize(SimplifiedModelSpace.from_model(toys.Space(), evaluator()), Engine())
    printed = capsys.readouterr().out
    assert '24 architectures in 2 blocks' in printed and 'stage1' in printed
    assert events(work, 'started') == []


# Exported models

def test_a_sample_makes_the_trained_network_in_every_way_that_nni_knows(finished):
    for rank, sample in enumerate(finished.experiment.export_top_models(2, formatter='dict'), start=1):
        trained = nni_dna.load(finished.work, rank)
        with model_context(sample):
            in_context = toys.Space()
        frozen = toys.Space().freeze(sample)
        images = Pictures(False).images
        for network in (in_context, frozen, finished.experiment.export_top_models(rank, formatter='instance')[-1]):
            assert not list(network.named_parameters()) == []
            network.load_state_dict(trained.state_dict())
            assert torch.equal(network.eval()(images), trained(images))


def test_samples_are_those_of_the_ranking_with_a_value_for_every_label(finished):
    labels = toys.Space().simplify()
    for sample, entry in zip(finished.experiment.export_top_models(2, formatter='dict'), ranking(finished.work)):
        assert sample.keys() == labels.keys()
        assert sample.items() >= entry['architecture'].items()


def test_the_metric_is_that_of_the_network_that_was_trained(finished):
    pictures = Pictures(False)
    for rank, model in enumerate(finished.experiment.export_top_models(2), start=1):
        with torch.no_grad():
            right = nni_dna.load(finished.work, rank)(pictures.images).argmax(1) == pictures.labels
        assert model.metric == pytest.approx(right.float().mean().item())


@pytest.mark.parametrize(['asked', 'given'], [(1, 1), (2, 2), (7, 2)])
def test_as_many_models_are_exported_as_there_are(finished, caplog, asked, given):
    assert len(finished.experiment.export_top_models(asked)) == given
    assert ('models were asked for, but only 2 are ranked; raise top_k' in caplog.text) == (asked > given)


def test_tasks_are_never_exported(finished):
    listed = list(finished.experiment.strategy.list_models(sort=False))
    assert len(listed) == 2 and not any(isinstance(model, DNATask) for model in listed)
    submitted = list(finished.experiment._engine.list_models())
    assert len(submitted) == 5 and all(isinstance(model, DNATask) for model in submitted)


def test_what_is_ranked_is_exported_before_it_is_trained(work, teacher, monkeypatch):
    monkeypatch.setattr(strategy_toys, 'seen', lambda: fail_in(work, 'retrain/rank2'))
    halfway = experiment(strategy(work, teacher, retries=0))
    with pytest.raises(CampaignError):
        run(halfway)
    first, second = halfway.export_top_models(2)
    assert first.status == ModelStatus.Trained and first.metric is not None
    assert second.status == ModelStatus.Frozen and second.metric is None


def test_nothing_is_exported_before_everything_is_rated(work, teacher, monkeypatch):
    new = experiment(strategy(work, teacher, retries=0))
    with pytest.raises(ResultError, match='the experiment has not been started'):
        new.export_top_models()
    monkeypatch.setattr(strategy_toys, 'seen', lambda: fail_in(work, 'distill/block2/only'))
    with pytest.raises(CampaignError):
        run(new)
    with pytest.raises(ResultError, match='there is no ranking before every block is rated'):
        new.export_top_models()


class Shapes(ModelSpace):
    """JSON has no tuples."""

    def __init__(self, num_classes=4, kernels=((1, 3), (3, 1), (3, 3))):
        super().__init__()
        self.first = toys._layer('first', 3, 4, 2)
        self.down = nn.Conv2d(4, 4, 3, 2, 1)
        self.second = nni.nas.nn.pytorch.MutableConv2d(4, 8, nni.choice('kernel', [tuple(kernel) for kernel in kernels]),
                                                       padding='same')
        self.classifier = nn.Linear(8, num_classes)

    def forward(self, x):
        return self.classifier(self.second(self.down(self.first(x))).mean((2, 3)))


def test_values_that_json_changes_are_exported_and_loaded_as_they_are(work, teacher):
    done = experiment(strategy(work, teacher, search_space={'kernel': {'_type': 'choice', '_value': [[1, 3], [3, 1]]}}), Shapes())
    run(done)
    for rank, sample in enumerate(done.export_top_models(2, formatter='dict'), start=1):
        assert sample['kernel'] in [(1, 3), (3, 1)]
        assert nni_dna.load(work, rank).second.kernel_size == sample['kernel']


def test_a_value_that_cannot_be_written_is_refused(work, teacher):
    class Activation(strategy_toys.ScaleChoice):
        def forward(self, x):
            return self.factor.default()()(x)

    class Activations(Shapes):
        def __init__(self):
            super().__init__()
            self.down = nn.Sequential(self.down, Activation('act', [nn.ReLU, nn.GELU]))

    with pytest.raises(SpaceError, match="label 'act': expected values that JSON can hold"):
        run(experiment(strategy(work, teacher), Activations()))


# Evaluators and loaders

class Untraced(torch.utils.data.Dataset):
    """A dataset as in any script: not traced, and too large to be sent."""

    def __init__(self, train):
        pictures = Pictures(train)
        self.images, self.labels = pictures.images, pictures.labels

    def __len__(self):
        return len(self.labels)

    def __getitem__(self, index):
        return self.images[index], self.labels[index]


def untraced():
    make = torch.utils.data.DataLoader
    return evaluator(train_dataloaders=make(Untraced(True), 16, shuffle=True), val_dataloaders=make(Untraced(False), 16))


def test_loaders_that_cannot_be_sent_are_used_as_they_are(work, teacher, finished):
    done = experiment(strategy(work, teacher), evaluator_=untraced())
    assert run(done) is True
    assert ranking(work) == ranking(finished.work)


def test_an_evaluator_that_was_trained_before_trains_from_the_beginning(work, teacher, finished):
    used = untraced()
    used.evaluate(toys.Teacher())
    run(experiment(strategy(work, teacher), evaluator_=used))
    assert ranking(work) == ranking(finished.work)


def regression():
    images = torch.utils.data.TensorDataset(Pictures().images, torch.randn(64, 4))
    return Regression(train_dataloaders=DataLoader(images, batch_size=16), val_dataloaders=DataLoader(images, batch_size=16),
                      max_epochs=1, **QUIET)


@pytest.mark.parametrize(['make', 'options'], [
    (lambda: lightning(strategy_toys.OwnLoaders()), {}),
    (lambda: lightning(datamodule=strategy_toys.Module()), {}),
    (lambda: FunctionalEvaluator(strategy_toys.by_function),
     {'train_dataloaders': loader(), 'val_dataloaders': loader(False), 'distill': {'epochs': 1}}),
    (lambda: evaluator(), {'train_dataloaders': loader(labels=False), 'val_dataloaders': loader(False, labels=False)}),
    (lambda: evaluator(), {'train_dataloaders': [loader(), loader(False)], 'val_dataloaders': [loader(False)]}),
    (lambda: evaluator(fast_dev_run=True), {}),
    (lambda: evaluator(gradient_clip_val=1.0, accumulate_grad_batches=2, precision='bf16-mixed', limit_train_batches=0.5), {}),
    (lambda: evaluator(logger=True, enable_checkpointing=True, max_epochs=3,
                       callbacks=[pl.callbacks.EarlyStopping('val_loss', patience=1), pl.callbacks.ModelCheckpoint()]), {}),
    (regression, {}),
], ids=['own module', 'datamodule', 'function', 'without labels', 'lists', 'fast_dev_run', 'options', 'callbacks', 'regression'])
def test_experiments_of_all_kinds_end_with_a_ranking(work, teacher, make, options):
    done = experiment(strategy(work, teacher, **options), evaluator_=make())
    assert run(done) is True
    assert len(done.export_top_models(2)) == 2
    assert all(model.metric is not None for model in done.export_top_models(2))
    assert nni_dna.load(work)(torch.zeros(1, 3, 16, 16)).shape == (1, 4)


def test_the_epochs_of_the_distillation_are_the_evaluators_or_ones_own(work, tmp_path, teacher):
    def epochs(folder):
        result = json.loads((folder / 'distill/block2/only/result.json').read_text())
        return len(result['details']['losses']['block2/only'])
    run(experiment(strategy(work, teacher), evaluator_=evaluator(max_epochs=3)))
    assert epochs(work) == 3
    run(experiment(strategy(tmp_path / 'other', teacher, distill={'epochs': 1}), evaluator_=evaluator(max_epochs=3)))
    assert epochs(tmp_path / 'other') == 1


def setup(work, teacher, evaluator_):
    settings = read_strategy_settings({'work': work, 'teacher': teacher}, work)
    return StrategySetup(settings, {}, Parts(space=(toys.Space, [], {}), evaluator=evaluator_))


def test_every_network_is_trained_from_the_beginning(work, teacher):
    given = setup(work, teacher, evaluator())
    results = []
    for train in (given.retrain, given.retrain, given.train_teacher):
        torch.manual_seed(0)
        trained = train(toys.Teacher(), lambda value: None)
        results.append(trained[0] if isinstance(trained, tuple) else trained)
    assert len(set(results)) == 1


def test_a_winner_that_another_evaluator_trained_does_not_count(work, teacher):
    recipes = [setup(work, teacher, evaluator(**options)).recipe
               for options in ({}, {}, {'max_epochs': 3}, {'optimizer': torch.optim.SGD})]
    assert recipes[0] == recipes[1] and recipes[1] not in recipes[2:] and recipes[2] != recipes[3]


# Search spaces

RESTRICTION = {'cell': {'_type': 'choice', '_value': ['shallow']}, 'c1': {'_type': 'choice', '_value': ['k3']}}


@pytest.mark.parametrize('form', ['mapping', 'json', 'yml'])
def test_a_search_space_restricts_the_model_space(work, tmp_path, teacher, form):
    given = RESTRICTION if form == 'mapping' else tmp_path / f'space.{form}'
    if form != 'mapping':
        given.write_text(json.dumps(RESTRICTION))  # which is YAML too
    done = experiment(strategy(work, teacher, top_k=9, search_space=given))
    run(done)
    found = {tuple(entry['architecture'].items()) for entry in ranking(work)}
    assert found == {(('cell', 'shallow'), ('a1', a), ('c1', 'k3'), ('c2', c))
                     for a, c in itertools.product(['k1', 'k3'], repeat=2)}
    assert not any('deep' in task for task in events(work, 'started'))


def test_limits_are_kept(work, teacher):
    run(experiment(strategy(work, teacher, top_k=24)))
    sizes = sorted(entry['params'] for entry in ranking(work))
    run(experiment(strategy(work.parent / 'limited', teacher, top_k=24, max_params=f'{sizes[12] / 1000}k')))
    assert sorted(entry['params'] for entry in ranking(work.parent / 'limited')) == [size for size in sizes if size <= sizes[12]]


def test_blocks_end_where_the_user_says(work, teacher):
    whole = {**teacher, 'stages': ['stage2']}
    done = experiment(strategy(work, whole, blocks=['last']), toys.Scaled())
    run(done)
    assert {task.partition('/')[2].partition('/')[0] for task in events(work, 'started')} >= {'block1'}
    assert not any('block2' in task for task in events(work, 'started'))


# Choices of the user's own

def test_a_hook_lets_a_choice_of_the_users_own_be_searched(work, teacher):
    done = experiment(strategy(work, teacher, top_k=12, mutation_hooks=[strategy_toys.scale_hook]), strategy_toys.Scaling())
    assert run(done) is True
    factors = [sample['factor'] for sample in done.export_top_models(12, formatter='dict')]
    assert sorted(factors) == [0.0] * 4 + [1.0] * 4 + [100.0] * 4
    assert len(set(entry['rating'] for entry in ranking(work))) == 4 * 2 + 2  # weights in front of a factor of 0 do not matter
    assert nni_dna.load(work).scale.factor == factors[0]


def test_without_the_hook_it_is_refused_before_any_task(work, teacher):
    with pytest.raises(SpaceError, match='block2: .*`ScaleChoice` has dangling mutables.* mutation_hooks of DNA'):
        run(experiment(strategy(work, teacher), strategy_toys.Scaling()))
    assert not work.exists()


# Going on

def test_a_second_experiment_on_a_finished_folder_trains_nothing(work, teacher, monkeypatch):
    run(experiment(strategy(work, teacher)))
    before = {file: file.read_bytes() for file in work.rglob('*.*') if file.is_file() and file.name != 'journal.jsonl'}
    again = experiment(strategy(work, teacher, retries=5, threads=2))
    assert run(again) is True
    assert events(work, 'started') == TASKS
    assert before == {file: file.read_bytes() if file.name != 'settings.json' else before[file] for file in before}
    assert [model.metric for model in again.export_top_models(2)] == [entry['accuracy'] for entry in ranking(work)]


def test_an_experiment_of_nnis_is_resumed_where_it_was(work, teacher, monkeypatch):
    monkeypatch.setattr(strategy_toys, 'seen', lambda: fail_in(work, 'distill/block2/only'))
    first = experiment(strategy(work, teacher, retries=0))
    with pytest.raises(CampaignError):
        run(first)
    monkeypatch.undo()
    strategy_toys.keep_apart(monkeypatch, work.parent)
    resumed = NasExperiment(toys.Space(), evaluator(), strategy(work, teacher, retries=0), first.config, id=first.id)
    try:
        assert resumed.resume() is True
    finally:
        resumed.stop()
    assert events(work, 'finished') == TASKS


def test_the_state_is_where_the_work_folder_is(work, tmp_path, teacher):
    one = strategy(work, teacher)
    torch.save(one.state_dict(), tmp_path / 'state.torch')
    state = torch.load(tmp_path / 'state.torch')
    assert state == {'work': str(work)}
    one.load_state_dict(state)
    with pytest.raises(WorkFolderError, match=f"^work: the experiment to go on with is in {work}, got .*DNA\\(work='{work}'\\)"):
        strategy(tmp_path / 'other', teacher).load_state_dict(state)


def parts(given):
    """The strategy's options, the space and the evaluator."""
    options = {key: value for key, value in given.items() if key not in ('space', 'evaluator')}
    return options, *(given[key]() if key in given else None for key in ('space', 'evaluator'))


@pytest.mark.parametrize(['words', 'change'], [
    ('seed: 0 became 1', {'seed': 1}),
    ('distill.epochs: None became 1', {'distill': {'epochs': 1}}),
    (r"blocks: None became \['blocks.0', 'blocks.1.1'\]", {'blocks': ['blocks.0', 'blocks.1.1']}),
    ('search_space.cell: None became', {'search_space': RESTRICTION}),
    ('train_dataloaders: None became', {'train_dataloaders': loader()}),
    (r"mutation_hooks: \[\] became \['strategy_toys:scale_hook'\]", {'mutation_hooks': [strategy_toys.scale_hook]}),
    ('evaluator.kwargs.learning_rate: 0.01 became 0.02', {'evaluator': lambda: evaluator(learning_rate=0.02)}),
    ('evaluator.kwargs.max_epochs: 2 became 3', {'evaluator': lambda: evaluator(max_epochs=3)}),
    ('evaluator.kwargs.train_dataloaders.kwargs.batch_size: 16 became 8',
     {'evaluator': lambda: evaluator(train_dataloaders=loader(batch_size=8))}),
    ("evaluator.class: '.*:Classification' became '.*:Lightning'", {'evaluator': lambda: lightning(strategy_toys.OwnLoaders())}),
    ("space.name: 'toys:Space' became 'toys:Scaled'", {'space': toys.Scaled}),
    ('space.args.num_classes: None became 5', {'space': lambda: toys.Space(num_classes=5)}),
])
def test_another_experiment_on_the_same_folder_is_told_what_differs(finished, teacher, words, change):
    before = (finished.work / 'journal.jsonl').read_bytes()
    options, space, evaluator_ = parts(change)
    with pytest.raises(WorkFolderError, match=f'belongs to other settings: .*{words}') as caught:
        run(experiment(strategy(finished.work, teacher, **options), space, evaluator_))
    assert 'name another work folder, or put the settings back' in str(caught.value)
    assert (finished.work / 'journal.jsonl').read_bytes() == before


def test_a_folder_of_something_else_is_left_alone(work, teacher):
    work.mkdir()
    (work / 'thesis.tex').write_text('years of work')
    with pytest.raises(WorkFolderError, match='which holds something else'):
        run(experiment(strategy(work, teacher)))
    assert [file.name for file in work.iterdir()] == ['thesis.tex']


def test_the_folder_is_free_for_others_once_an_experiment_ends(work, teacher, monkeypatch):
    monkeypatch.setattr(strategy_toys, 'seen', lambda: lock_folder(work) if events(work, 'started') else None)
    held = experiment(strategy(work, teacher, retries=0))
    with pytest.raises(CampaignError, match='WorkFolderError: .*another experiment is running'):
        run(held)
    lock_folder(work).close()


def test_a_folder_in_use_is_refused(work, teacher):
    run(experiment(strategy(work, teacher)))
    with lock_folder(work), pytest.raises(WorkFolderError, match='another experiment is running'):
        run(experiment(strategy(work, teacher)))


# Bad input

BAD = {
    'teacher that is unknown': (TeacherError, "torchvision has no classifier 'resnet19'.*nearest known: .*resnet1",
                                {'teacher': 'resnet19'}),
    'teacher of another task': (TeacherError, r'must give \(batch, 4\) in training mode, got \(2, 7\)',
                                {'teacher': {'name': toys.Teacher, 'args': {'num_classes': 7}}}),
    'teacher that fails': (TeacherError, 'building .* failed: TypeError', {'teacher': {'name': toys.Teacher, 'args': {'a': 1}}}),
    'teacher whose weights are missing': (NniDnaError, 'missing.safetensors',
                                          {'teacher': {'name': toys.Teacher, 'weights': 'missing.safetensors'}}),
    'stage': (TeacherError, "stage3.*nearest known: .*stage",
              {'teacher': {'name': toys.Teacher, 'stages': ['stage1', 'stage3']}}),
    'block end': (SpaceError, "no module 'blocks.7'", {'blocks': ['blocks.0', 'blocks.7']}),
    'label': (SpaceError, "no label 'b9'; nearest known: b", {'search_space': {'b9': {'_type': 'choice', '_value': ['k1']}}}),
    'value': (SpaceError, "label 'b1': the model space has no value 'k5'; nearest known: k",
              {'search_space': {'b1': {'_type': 'choice', '_value': ['k5']}}}),
    'limit': (InfeasibleError, 'search.max_params', {'max_params': 3}),
    'no chain': (SpaceError, 'DARTS', {'space': lambda: NasBench201(num_labels=4)}),
    'images of another size': (SpaceError, r'cannot run on images of shape \(3, 16, 16\)', {'space': lambda: Flat()}),
    'evaluator with a choice': (SettingsError, "expected one without choices, got choices of lr",
                                {'evaluator': lambda: evaluator(learning_rate=nni.choice('lr', [0.1, 0.01]))}),
    'choice within the evaluator': (SettingsError, "expected one without choices, got choices of batch", {
        'evaluator': lambda: evaluator(train_dataloaders=DataLoader(dataset=Pictures(), batch_size=nni.choice('batch', [8])))}),
    'no validation images': (DataError, 'val_dataloaders', {'evaluator': lambda: evaluator(val_dataloaders=None)}),
    'no images at all': (DataError, 'train_dataloaders',
                         {'evaluator': lambda: FunctionalEvaluator(strategy_toys.by_function)}),
    'images of two sizes': (DataError, 'val_dataloaders: expected images of shape',
                            {'evaluator': lambda: evaluator(val_dataloaders=loader(False, size=8))}),
    'distillation without end': (SettingsError, 'distill.epochs', {'evaluator': lambda: evaluator(max_epochs=-1)}),
    'outputs that are no vector': (SpaceError, r'expected it to give \(batch, outputs\), got \(1, 8, 4, 4\)',
                                   {'space': lambda: WithoutHead()}),
}


class Flat(toys.Scaled):
    """Wants larger images."""

    def __init__(self):
        super().__init__()
        self.classifier = nn.Linear(8 * 7 * 7, 4)

    def forward(self, x):
        return self.classifier(self.last(self.down(self.more(self.first(x)))).flatten(1))


class WithoutHead(toys.Scaled):
    def forward(self, x):
        return self.last(self.down(self.more(self.first(x))))


@pytest.mark.parametrize('name', BAD)
def test_bad_input_is_one_error_before_any_task(work, monkeypatch, name):
    error, words, given = BAD[name]
    batches = iter(range(32))  # checks read one of each loader
    monkeypatch.setattr(strategy_toys, 'seen', lambda: next(batches))
    options, space, evaluator_ = parts(given)
    with pytest.raises(error, match=words):
        run(experiment(strategy(work, **options), space, evaluator_))
    assert not work.exists()


def test_a_limit_on_trials_that_leaves_no_room_is_refused(work, teacher):
    with pytest.raises(SettingsError, match=r'expected at least 15 \(5 trials, and retries: 2\), got 14'):
        run(experiment(strategy(work, teacher), max_trial_number=14))
    assert not work.exists()
    assert run(experiment(strategy(work, teacher), max_trial_number=15)) is True


def test_an_experiment_whose_time_is_up_says_so_and_goes_on_later(work, teacher):
    with pytest.raises(CampaignError, match='the experiment ended before distill/block1/deep could be started; .*max_experiment'):
        late = experiment(strategy(work, teacher))
        late.config.execution_engine = SequentialEngineConfig(max_duration=1e-6)
        run(late)
    assert events(work, 'finished') == TASKS[:1]
    assert run(experiment(strategy(work, teacher))) is True
    assert events(work, 'finished') == TASKS


class Engine(ExecutionEngine):
    """Sends trials elsewhere."""


@pytest.mark.parametrize(['change', 'words'], [
    ({'evaluator_': untraced}, '^the evaluator and the model space cannot be sent to trials'),
    ({'teacher': '__main__:Teacher'}, '^teacher: Teacher is defined in the script itself, which trials cannot import; move it'),
])
def test_what_trials_cannot_have_is_refused_where_there_are_trials(work, teacher, change, words):
    space = SimplifiedModelSpace.from_model(toys.Space(), change.get('evaluator_', evaluator)())
    with pytest.raises(SettingsError, match=words):
        strategy(work, change.get('teacher', teacher)).initialize(space, Engine())
    assert not work.exists()


def test_another_model_format_is_refused(work, teacher):
    class Graph(ExecutableModelSpace):
        evaluator = None
    with pytest.raises(SettingsError, match='model format: expected "simplified" or "raw", got Graph'):
        strategy(work, teacher).initialize(Graph(), Engine())


# Failures

def running(work):
    """The task that runs now."""
    return (events(work, 'started') or [''])[-1] if len(events(work, 'started')) > len(events(work, 'finished')) else ''


def fail_in(work, task):
    if running(work) == task:
        raise OSError('the disk is gone')


@pytest.mark.parametrize('task', ['distill/block1/deep', 'retrain/rank1'])
@pytest.mark.parametrize('go_on', [False, True], ids=['', 'continue_on_failure'])
def test_a_task_that_fails_once_is_run_again(work, teacher, finished, monkeypatch, task, go_on):
    def fail_once():
        if not events(work, 'failed'):
            fail_in(work, task)

    monkeypatch.setattr(strategy_toys, 'seen', fail_once)
    given = experiment(strategy(work, teacher))
    given.config.execution_engine = SequentialEngineConfig(continue_on_failure=go_on)
    assert run(given) is True
    assert events(work, 'failed') == [task]
    assert sorted(events(work, 'started')) == sorted([*TASKS, task])
    assert ranking(work) == ranking(finished.work)


@pytest.mark.parametrize(['task', 'own'], [('distill/block1/shallow', 'DataError: train_dataloaders: reading the first batch f'),
                                           ('retrain/rank2', 'Traceback')])
@pytest.mark.parametrize('retries', [0, 1])
def test_a_task_that_always_fails_ends_the_experiment_with_its_own_error(work, teacher, monkeypatch, task, own, retries):
    monkeypatch.setattr(strategy_toys, 'seen', lambda: fail_in(work, task))
    with pytest.raises(CampaignError, match=f'^{task} failed {retries + 1} times, more than retries: {retries}') as caught:
        run(experiment(strategy(work, teacher, retries=retries)))
    assert f"The trial's own error:\n{own}" in str(caught.value) and 'OSError: the disk is gone' in str(caught.value)
    assert events(work, 'failed') == [task] * (retries + 1)
    assert task not in events(work, 'finished')


def test_what_was_finished_before_a_failure_is_not_done_again(work, teacher, finished, monkeypatch):
    monkeypatch.setattr(strategy_toys, 'seen', lambda: fail_in(work, 'distill/block2/only'))
    with pytest.raises(CampaignError):
        run(experiment(strategy(work, teacher, retries=0)))
    monkeypatch.setattr(strategy_toys, 'seen', lambda: None)
    assert run(experiment(strategy(work, teacher))) is True
    assert events(work, 'finished') == TASKS
    assert ranking(work) == ranking(finished.work)


def interrupt_in(work, task):
    if running(work) == task:
        raise KeyboardInterrupt


@pytest.mark.parametrize('task', ['teacher/train', 'distill/block1/deep', 'retrain/rank1'])
def test_after_ctrl_c_a_new_experiment_goes_on(work, teacher, finished, monkeypatch, task):
    teacher = toys.Teacher if task == 'teacher/train' else teacher
    handler = signal.getsignal(signal.SIGINT)
    monkeypatch.setattr(strategy_toys, 'seen', lambda: interrupt_in(work, task))
    stopped = experiment(strategy(work, teacher))
    assert run(stopped) is None  # NNI's way to say so
    assert signal.getsignal(signal.SIGINT) is handler
    assert events(work, 'started')[-1] == task and task not in events(work, 'finished')
    assert events(work, 'failed') == []
    done = events(work, 'finished')
    monkeypatch.setattr(strategy_toys, 'seen', lambda: None)
    assert run(experiment(strategy(work, teacher))) is True  # while the first is still there, as in a notebook
    assert events(work, 'finished')[:len(done)] == done
    assert sorted(events(work, 'finished')) == sorted((['teacher/train'] if teacher is toys.Teacher else []) + TASKS)
    if task != 'teacher/train':
        assert ranking(work) == ranking(finished.work)


def test_a_strategy_is_used_once(work, teacher):
    used = strategy(work, teacher)
    run(experiment(used))
    with pytest.raises(RuntimeError, match='already been initialized'):
        run(experiment(used))


def test_nothing_is_left_elsewhere(work, teacher, tmp_path):
    logging.getLogger('nni').handlers.clear()
    run(experiment(strategy(work, teacher)))
    assert {file.name for file in tmp_path.iterdir()} == {'work', 'nni', 'home'}
    assert {file.name for file in work.iterdir()} == {'costs.npz', 'distill', 'journal.jsonl', 'lock', 'ranking.json', 'retrain',
                                                      'settings.json'}


def test_on_the_sequential_engine_a_task_is_its_own_even_in_a_trial_of_nnis(tmp_path, teacher, monkeypatch, finished):
    # As examples/compare does: the engine is in a trial, whose parameters are not this experiment's.
    monkeypatch.setattr('nni_dna.strategy.task.trial_env_vars', SimpleNamespace(NNI_PLATFORM='local'))
    assert run(experiment(strategy(tmp_path / 'work', teacher))) is True
    assert rated(tmp_path / 'work') == rated(finished.work)


def test_stalled_tasks_cannot_be_cancelled_where_they_run_in_this_process(work, teacher):
    with pytest.raises(NotImplementedError, match="stall_minutes: expected the engine 'ts'.*got SequentialExecutionEngine"):
        run(experiment(strategy(work, teacher, stall_minutes=1)))
    assert not work.exists()
