"""Reports of NasExperiments, whose images are made again from the work folder's record."""

from __future__ import annotations

import json
import shutil

import pytest
import strategy_toys
import torch
from nni.nas.evaluator import FunctionalEvaluator
from nni.nas.evaluator.pytorch import LightningModule
from test_report_page import SECTIONS, Page

from nni_dna.campaign.work import WorkFolder
from nni_dna.errors import SettingsError
from nni_dna.report import write_report
from nni_dna.report.facts.rebuilt import rebuild_setup
from nni_dna.strategy.parts import Parts
from nni_dna.trust import trust


class OwnTraining(LightningModule):
    """Not traced, so a record has nothing but its class."""


def test_the_experiment_is_made_again_from_its_record(of_strategy):
    setup = rebuild_setup(WorkFolder(of_strategy))
    images, labels = next(iter(setup.data.holdout()))
    expected = strategy_toys.Pictures(False)
    torch.testing.assert_close(images, expected.images[:16])
    assert setup.chain.all_architectures == 24


def test_a_report_of_a_nas_experiment_has_every_section(of_strategy, tmp_path):
    read = Page(write_report(of_strategy, tmp_path))
    assert [name for name in read.text if name != 'head'] == SECTIONS
    assert read.notes == []
    entry = json.loads((of_strategy / 'ranking.json').read_text())['ranking'][0]
    assert read.cells[:5] == ['1', f'{entry["rating"]:.5f}', f'{entry["params"]:,}', f'{entry["madds"]:,}',
                              f'{entry["accuracy"]:.2%}']
    assert 'validation images' in read.text['ranking']


def test_where_the_images_cannot_be_made_again_the_page_says_so(of_strategy, tmp_path):
    work = tmp_path / 'work'
    shutil.copytree(of_strategy, work)
    settings = json.loads((work / 'settings.json').read_text())
    for loader in ('train_dataloaders', 'val_dataloaders'):  # as the record is of a dataset that is not traced
        settings['settings']['evaluator']['kwargs'][loader]['kwargs']['dataset'] = 'my_data:Pictures'
    (work / 'settings.json').write_text(json.dumps(settings))
    trust(work)
    read = Page(write_report(work))
    for section in ('network', 'maps'):
        assert read.note(section).startswith('Left out')
    assert len(read.pictures) == 4 + 2 + 2


@pytest.mark.parametrize('evaluator', [
    lambda: strategy_toys.evaluator(), lambda: strategy_toys.lightning(train_dataloaders=strategy_toys.loader()),
    lambda: strategy_toys.lightning(strategy_toys.OwnLoaders(lr=0.1), datamodule=strategy_toys.Module(8)),
    lambda: FunctionalEvaluator(strategy_toys.by_function, final=0.25)])
def test_parts_that_nni_traced_are_made_again_from_their_record(evaluator):
    parts = Parts(space=(strategy_toys.toys.Space, (), {'num_classes': 4}), evaluator=evaluator(),
                  train_dataloaders=[strategy_toys.loader(batch_size=4)], mutation_hooks=[strategy_toys.scale_hook])
    record = json.loads(json.dumps(parts.record()))
    again = Parts.from_record(record)
    assert json.loads(json.dumps(again.record())) == record
    assert again.mutation_hooks == [strategy_toys.scale_hook]
    assert again.train_dataloaders[0].batch_size == 4


def test_parts_that_nni_did_not_trace_are_not_made_up():
    given = strategy_toys.lightning(OwnTraining())
    record = json.loads(json.dumps(Parts(space=(strategy_toys.toys.Space, (), {}), evaluator=given).record()))
    with pytest.raises(SettingsError, match='cannot be made again.*nni.trace'):
        Parts.from_record(record)
