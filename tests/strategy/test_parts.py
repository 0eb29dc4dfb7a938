"""What the user gave the experiment: its way to trials, fresh evaluators, and how a work folder knows it again."""

from __future__ import annotations

import json
import threading
from pathlib import Path

import nni
import pytest
import pytorch_lightning as pl
import strategy_toys
import toys
import torch
from nni.nas.evaluator import FunctionalEvaluator
from nni.nas.evaluator.pytorch import Classification, DataLoader
from nni.nas.nn.pytorch import ModelSpace
from strategy_toys import Pictures, evaluator, lightning, loader
from torch import nn

from nni_dna.errors import SettingsError
from nni_dna.strategy.evaluation import evaluate
from nni_dna.strategy.parts import Parts


def parts(space=(toys.Space, [], {'num_classes': 4}), evaluator_=None, **changes):
    return Parts(space=space, evaluator=evaluator() if evaluator_ is None else evaluator_, **changes)


def network(seed=0):
    torch.manual_seed(seed)
    return toys.Teacher()


def trained(evaluator_):
    """What an evaluator makes of the same network: its result, and the weights."""
    student = network()
    torch.manual_seed(1)
    return evaluate(evaluator_, student, lambda value: None), [weight.detach().clone() for weight in student.parameters()]


# To trials

def test_parts_come_back_from_text():
    given = parts(train_dataloaders=loader(batch_size=8), val_dataloaders=[loader(False), loader(False, 4)],
                  mutation_hooks=[strategy_toys.scale_hook])
    found = Parts.load(given.dump())
    assert found.record() == given.record()
    space = found.build_space()
    assert type(space) is toys.Space and repr(space.simplify()) == repr(toys.Space(4).simplify())
    assert found.train_dataloaders.batch_size == 8
    assert [other.batch_size for other in found.val_dataloaders] == [16, 4]
    assert torch.equal(found.train_dataloaders.dataset.images, Pictures().images)
    assert found.mutation_hooks == [strategy_toys.scale_hook]
    assert (found.evaluator.trainer.max_epochs, found.evaluator.module.hparams['learning_rate']) == (2, 0.01)


def test_everything_that_comes_back_is_built_anew():
    given = parts()
    found, again = Parts.load(given.dump()), Parts.load(given.dump())
    for part in ('module', 'trainer', 'train_dataloaders', 'val_dataloaders'):
        assert len({id(getattr(some.evaluator, part)) for some in (given, found, again)}) == 3
    assert found.train_dataloaders is found.val_dataloaders is None


def test_text_is_the_same_before_and_after_the_way():
    text = parts().dump()
    assert Parts.load(text).dump() == text


@pytest.mark.parametrize('make', [
    lambda: lightning(train_dataloaders=loader(), val_dataloaders=loader(False)),
    lambda: lightning(strategy_toys.OwnTraining(lr=0.2), datamodule=strategy_toys.Module(4)),
    lambda: lightning(strategy_toys.OwnLoaders()),
    lambda: FunctionalEvaluator(strategy_toys.by_function, final=0.75),
    lambda: evaluator(callbacks=[pl.callbacks.EarlyStopping('val_loss', patience=1)]),
    lambda: evaluator(optimizer=torch.optim.SGD, criterion=nn.MultiMarginLoss),
], ids=['own module', 'datamodule', 'own loaders', 'function', 'callbacks', 'classes'])
def test_evaluators_of_all_kinds_come_back(make):
    given = parts(evaluator_=make())
    found = Parts.load(given.dump())
    assert type(found.evaluator) is type(given.evaluator)
    assert found.record() == given.record()
    value, weights = trained(found.fresh().evaluator)
    expected, expected_weights = trained(given.fresh().evaluator)
    assert value == expected and all(map(torch.equal, weights, expected_weights))


class Untraced(torch.utils.data.Dataset):
    """A user's dataset that is not wrapped in nni.trace."""

    def __init__(self, count=64):
        self.images = torch.randn(count, 3, 16, 16)

    def __len__(self):
        return len(self.images)

    def __getitem__(self, index):
        return self.images[index], index % 4


class Locked(pl.Callback):
    def __init__(self):
        self.lock = threading.Lock()


@pytest.mark.parametrize('make', [
    lambda: {'train_dataloaders': torch.utils.data.DataLoader(Untraced())},
    lambda: {'evaluator_': evaluator(train_dataloaders=DataLoader(Untraced(), batch_size=4))},
    lambda: {'evaluator_': evaluator(callbacks=[Locked()])},
    lambda: {'space': (toys.Space, [], {'num_classes': Untraced()})},
], ids=['loader', 'dataset', 'callback', 'argument of the space'])
def test_what_cannot_be_sent_is_one_error_with_the_remedies(make):
    with pytest.raises(SettingsError, match='^the evaluator and .* cannot be sent to trials.*nni.trace.*sequential engine'):
        parts(**make()).dump()


def test_a_small_part_that_is_not_traced_is_sent_all_the_same():
    small = torch.utils.data.DataLoader(Untraced(count=0), batch_size=None)
    assert len(Parts.load(parts(train_dataloaders=small).dump()).train_dataloaders.dataset) == 0


# Fresh evaluators

def test_training_with_a_fresh_evaluator_leaves_the_users_as_it_was():
    given = parts()
    trained(given.fresh().evaluator)
    assert given.evaluator.trainer.current_epoch == 0 and not given.evaluator.trainer.callback_metrics
    with pytest.raises(RuntimeError, match='Model is not set'):
        given.evaluator.module.model
    trained(given.evaluator)  # what trained evaluators look like
    assert given.evaluator.trainer.current_epoch == 2 and given.evaluator.module.model


def test_each_fresh_evaluator_trains_from_the_beginning():
    given = parts()
    value, weights = trained(given.fresh().evaluator)
    again, weights_again = trained(given.fresh().evaluator)
    assert value == again and all(map(torch.equal, weights, weights_again))
    assert not all(map(torch.equal, weights, network().parameters()))


def test_a_fresh_evaluator_of_a_fresh_one_trains_too():
    given = parts().fresh()
    assert trained(given.fresh().evaluator)[0] == trained(given.fresh().fresh().evaluator)[0]


def test_callbacks_of_a_fresh_evaluator_remember_nothing():
    stopping = pl.callbacks.EarlyStopping('val_loss', patience=1, min_delta=10)  # nothing is good enough
    given = parts(evaluator_=evaluator(max_epochs=9, callbacks=[stopping]))
    for _ in range(2):
        fresh = given.fresh().evaluator
        trained(fresh)
        assert fresh.trainer.current_epoch == 2
        assert fresh.trainer.early_stopping_callback is not stopping
    assert stopping.wait_count == 0 and stopping.best_score == torch.tensor(torch.inf)


def test_a_fresh_evaluator_has_the_users_loaders():
    given = parts()
    assert given.fresh().evaluator.train_dataloaders is given.evaluator.train_dataloaders
    assert given.fresh().evaluator.val_dataloaders is given.evaluator.val_dataloaders


def test_trainer_options_and_what_was_changed_in_a_module_are_kept():
    given = parts(evaluator_=lightning(strategy_toys.OwnTraining(lr=0.5), max_epochs=7))
    given.evaluator.module.lr = 0.25
    fresh = given.fresh().evaluator
    assert (fresh.trainer.max_epochs, fresh.module.lr) == (7, 0.25)


def test_an_evaluator_without_state_of_its_own_is_used_as_it_is():
    given = parts(evaluator_=FunctionalEvaluator(strategy_toys.by_function))
    assert given.fresh() is given


def test_an_evaluator_that_cannot_be_copied_is_refused():
    with pytest.raises(SettingsError, match='^evaluator: its module and callbacks must be copied.*cannot pickle'):
        parts(evaluator_=evaluator(callbacks=[Locked()])).fresh()


# Records

class Wide(ModelSpace):
    """A space whose constructor takes all kinds of arguments."""

    def __init__(self, width=8, *, path=None, act=nn.ReLU, **others):
        super().__init__()


class Wider(Wide):
    """Without a constructor of its own."""


def of_space(space):
    return parts(space=(space.trace_symbol, space.trace_args, space.trace_kwargs)).record()


DIFFERENT = {
    'learning rate': lambda: {'evaluator_': evaluator(learning_rate=0.02)},
    'epochs': lambda: {'evaluator_': evaluator(max_epochs=3)},
    'optimizer': lambda: {'evaluator_': evaluator(optimizer=torch.optim.SGD)},
    'batch size': lambda: {'evaluator_': evaluator(train_dataloaders=loader(batch_size=8))},
    'dataset': lambda: {'evaluator_': evaluator(val_dataloaders=loader(False, count=32))},
    'list of loaders': lambda: {'evaluator_': evaluator(val_dataloaders=[loader(False)])},
    'callbacks': lambda: {'evaluator_': evaluator(callbacks=[pl.callbacks.EarlyStopping('val_loss')])},
    'kind of evaluator': lambda: {'evaluator_': lightning()},
    'argument of the module': lambda: {'evaluator_': lightning(strategy_toys.OwnTraining(lr=0.125))},
    'datamodule': lambda: {'evaluator_': lightning(datamodule=strategy_toys.Module(4))},
    'another datamodule': lambda: {'evaluator_': lightning(datamodule=strategy_toys.Module(8))},
    'function': lambda: {'evaluator_': FunctionalEvaluator(strategy_toys.by_function)},
    'argument of the function': lambda: {'evaluator_': FunctionalEvaluator(strategy_toys.by_function, final=1)},
    'another function': lambda: {'evaluator_': FunctionalEvaluator(evaluator)},
    'images to distil from': lambda: {'train_dataloaders': loader()},
    'images to rate on': lambda: {'val_dataloaders': loader(False)},
    'hook': lambda: {'mutation_hooks': [strategy_toys.scale_hook]},
    'space': lambda: {'space': (toys.Scaled, [], {'num_classes': 4})},
    'argument of the space': lambda: {'space': (toys.Space, [], {'num_classes': 5})},
}


def test_equal_experiments_have_equal_records_and_others_do_not():
    makes = {'plain': dict, **DIFFERENT}
    records = {name: json.dumps(parts(**make()).record(), sort_keys=True) for name, make in makes.items()}
    assert records == {name: json.dumps(parts(**make()).record(), sort_keys=True) for name, make in makes.items()}
    seen: dict[str, str] = {}
    for name, record in records.items():
        assert seen.setdefault(record, name) == name


def test_a_record_is_what_json_gives_back():
    for make in (dict, *DIFFERENT.values()):
        record = parts(**make()).record()
        assert json.loads(json.dumps(record)) == record


@pytest.mark.parametrize(['one', 'other', 'equal'], [
    (lambda: Wide(8), lambda: Wide(width=8), True),
    (lambda: Wide((1, 2)), lambda: Wide([1, 2]), True),
    (lambda: Wide(8), lambda: Wide(16), False),
    (lambda: Wide(path=Path('/a')), lambda: Wide(path=Path('/a')), True),
    (lambda: Wide(path=Path('/a')), lambda: Wide(path=Path('/b')), False),
    (lambda: Wide(act=nn.ReLU), lambda: Wide(act=nn.ReLU6), False),
    (lambda: Wide(torch.float16), lambda: Wide(torch.float32), False),
    (lambda: Wide(nni.choice('w', [1, 2])), lambda: Wide(nni.choice('w', [1, 2])), True),
    (lambda: Wide(nni.choice('w', [1, 2])), lambda: Wide(nni.choice('w', [1, 3])), False),
    (lambda: Wide(depth=3), lambda: Wide(depth=4), False),
    (lambda: Wide(8), lambda: Wider(8), False),
    (lambda: Wider(8), lambda: Wider(width=8), True),
    (lambda: Wider(8), lambda: Wider(9), False),
])
def test_spaces_are_known_by_their_class_and_arguments(one, other, equal):
    assert (of_space(one()) == of_space(other())) == equal


@pytest.mark.parametrize('make', [lambda: Wide(3, depth=4), lambda: Wider(3, depth=4), lambda: Wide(width=3, depth=4)])
def test_a_space_can_be_built_again_from_its_record(make):
    space = make()
    arguments = of_space(space)['space']['args']
    assert arguments == {'width': 3, 'depth': 4}
    assert type(space)(**arguments).trace_kwargs == {'width': 3, 'depth': 4}


def test_a_part_without_a_text_form_counts_by_its_class():
    first, second = Untraced(4), Untraced(8)
    assert parts(train_dataloaders=first).record() == parts(train_dataloaders=second).record()
    assert parts(train_dataloaders=first).record() != parts(train_dataloaders=Pictures()).record()


def test_the_record_of_an_evaluator_names_what_was_given():
    record = Parts(space=(toys.Space, [], {}), evaluator=Classification(num_classes=4, learning_rate=0.5)).record()
    assert record['evaluator']['class'] == 'nni.nas.evaluator.pytorch.lightning:Classification'
    assert record['evaluator']['kwargs'] == {'num_classes': 4, 'learning_rate': 0.5}
    assert record['space'] == {'name': 'toys:Space', 'args': {}}
