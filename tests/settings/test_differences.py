"""What differs between two settings, a line each."""

import pytest

import toys
from plain_settings import BASE
from nni_dna.settings import differences, read_settings, to_plain


def plain_with(**changes):
    return to_plain(read_settings(toys.settings('/w', **changes), BASE))


def test_equal_settings_have_no_differences():
    assert differences(plain_with(), plain_with()) == []


@pytest.mark.parametrize('changes, line', [
    ({'distill': {'epochs': 3}}, 'distill.epochs: 2 became 3'),
    ({'seed': 5}, 'seed: 0 became 5'),
    ({'search': {'max_params': '1k'}}, 'search.max_params: None became 1000.0'),
    ({'teacher': {'stages': ['stage1']}}, "teacher.stages: ['stage1', 'stage2'] became ['stage1']"),
    ({'space': {'blocks': ['blocks.1']}}, "space.blocks: None became ['blocks.1']"),
    ({'rate': {'max_paths': 7}}, 'rate.max_paths: 20000 became 7'),
    ({'space': {'args': {'num_classes': 4}}}, 'space.args.num_classes: None became 4'),
    ({'data': {'name': 'digits'}}, "data.name: 'toys.images' became 'digits'")])
def test_a_difference_is_a_line_with_its_place_and_both_values(changes, line):
    assert differences(plain_with(), plain_with(**changes)) == [line]


def test_all_differences_are_listed_in_order():
    lines = differences(plain_with(), plain_with(distill={'epochs': 3, 'lr': 1}, seed=2))
    assert lines == ['distill.epochs: 2 became 3', 'distill.lr: 0.005 became 1.0', 'seed: 0 became 2']
