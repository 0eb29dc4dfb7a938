"""A NasExperiment with DNA: evaluators, loaders, search spaces and limits of all kinds."""

from __future__ import annotations

import itertools
import json

import pytest
import pytorch_lightning as pl
import strategy_toys
import toys
import torch
from nni.nas.evaluator import FunctionalEvaluator
from nni.nas.evaluator.pytorch import DataLoader, Regression
from strategy_toys import QUIET, Pictures, evaluator, experiment, lightning, loader, run, strategy, untraced
from work_files import events, ranking

import nni_dna
from nni_dna.errors import SpaceError
from nni_dna.strategy.parts import Parts
from nni_dna.strategy.settings import read_strategy_settings
from nni_dna.strategy.setup import StrategySetup


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
