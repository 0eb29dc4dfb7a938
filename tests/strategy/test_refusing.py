"""What a NasExperiment with DNA refuses, each with one error and before any task."""

from __future__ import annotations

import nni
import pytest
import strategy_toys
import toys
from nni.nas.evaluator import FunctionalEvaluator
from nni.nas.evaluator.pytorch import DataLoader
from nni.nas.execution import ExecutionEngine
from nni.nas.hub.pytorch import NasBench201
from nni.nas.space import SimplifiedModelSpace
from nni.nas.space.space import ExecutableModelSpace
from strategy_toys import Pictures, evaluator, experiment, lightning, loader, run, strategy, untraced
from torch import nn
from work_files import events

from nni_dna.campaign.locks import lock_folder
from nni_dna.errors import DataError, InfeasibleError, NniDnaError, SettingsError, SpaceError, TeacherError, WorkFolderError


def test_the_cut_is_printed_before_anything_is_trained(work, teacher, capsys):
    strategy(work, teacher).initialize(SimplifiedModelSpace.from_model(toys.Space(), evaluator()), Engine())
    printed = capsys.readouterr().out
    assert '24 architectures in 2 blocks' in printed and 'stage1' in printed
    assert events(work, 'started') == []


RESTRICTION = {'cell': {'_type': 'choice', '_value': ['shallow']}, 'c1': {'_type': 'choice', '_value': ['k3']}}


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


def test_a_folder_in_use_is_refused(work, teacher):
    run(experiment(strategy(work, teacher)))
    with lock_folder(work), pytest.raises(WorkFolderError, match='another experiment is running'):
        run(experiment(strategy(work, teacher)))


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


def test_stalled_tasks_cannot_be_cancelled_where_they_run_in_this_process(work, teacher):
    with pytest.raises(NotImplementedError, match="stall_minutes: expected the engine 'ts'.*got SequentialExecutionEngine"):
        run(experiment(strategy(work, teacher, stall_minutes=1)))
    assert not work.exists()
