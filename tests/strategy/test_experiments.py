"""DNA as the strategy of a NasExperiment, on NNI's sequential engine: what an experiment ends with."""

from __future__ import annotations

import logging
from types import SimpleNamespace

import nni
import pytest
import strategy_toys
import toys
import torch
from nni.nas.nn.pytorch import ModelSpace
from nni.nas.space import ModelStatus, RawFormatModelSpace, SimplifiedModelSpace, model_context
from strategy_runs import TASKS, fail_in, rated
from strategy_toys import Pictures, experiment, run, strategy
from torch import nn
from work_files import events, ranking

import nni_dna
from nni_dna.errors import CampaignError, ResultError, SpaceError
from nni_dna.strategy.task import DNATask


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
