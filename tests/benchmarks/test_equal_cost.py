"""What is concluded from accuracies and ratings of the equal-cost sample, on made-up ones."""

import json

import numpy as np
import pytest

from equal_cost import findings, sum_of_log_widths, within_cells


@pytest.fixture(scope='module')
def made_up():
    """60 architectures whose accuracy over two seeds is mostly the truth; a rating that knows it and one that does not."""
    rng = np.random.default_rng(0)
    truth = rng.normal(0.6, 0.03, size=60)
    rows = [{'architecture': {'block1/cell': f'{1 + number % 2}x4', 'block2/cell': f'1x{1 + number % 3}'},
             'params': 1000 + number, 'madds': 1000 + number % 7,
             'accuracy': {str(seed): float(value + rng.normal(0, 0.01)) for seed in (0, 1)}}
            for number, value in enumerate(truth)]
    ratings = {'dna, seed 0': [[-value, 0.5] for value in truth],
               'one-shot accuracy, 1x images, seed 0': [[value] for value in rng.normal(size=60)]}
    return rows, ratings


@pytest.fixture(scope='module')
def found(made_up):
    return findings(*made_up, resamples=50)


def test_a_rating_that_knows_the_truth_comes_close_to_the_ceiling(found):
    assert found['tau']['dna, seed 0']['tau'] == pytest.approx(found['accuracy']['ceiling of tau'], abs=0.08)
    assert found['tau']['dna, seed 0']['low'] > found['tau']['one-shot accuracy, 1x images, seed 0']['high']


def test_the_margin_over_the_one_shot_accuracy_is_the_difference_of_the_taus(found):
    one_shot = 'one-shot accuracy, 1x images, seed 0'
    margin, taus = found['DNA less'][one_shot], found['tau']
    assert margin['tau'] == pytest.approx(taus['dna, seed 0']['tau'] - taus[one_shot]['tau'], abs=2e-4)
    assert margin['low'] > 0


def test_over_several_seeds_the_margin_is_that_of_the_mean_taus(made_up):
    rows, ratings = made_up
    more = {**ratings, 'dna, seed 1': ratings['one-shot accuracy, 1x images, seed 0'],
            'one-shot accuracy, 1x images, seed 1': ratings['dna, seed 0']}
    margin = findings(rows, more, resamples=50)['DNA less, mean of seeds']['one-shot accuracy, 1x images, 2 seeds']
    assert margin['tau'] == 0 and margin['low'] == margin['high'] == 0


def test_noise_is_taken_from_the_seeds(found):
    assert found['accuracy']['deviation between seeds'] == pytest.approx(0.01, rel=0.3)
    assert found['accuracy']['deviation between architectures'] == pytest.approx(0.03, rel=0.3)


def test_a_seed_that_some_architectures_lack_does_not_count(made_up):
    rows, ratings = made_up
    rows = json.loads(json.dumps(rows))
    rows[0]['accuracy']['2'] = 0.9
    assert findings(rows, ratings, resamples=10)['seeds'] == 2


def test_log_widths_count_every_layer_of_a_cell():
    found = sum_of_log_widths([{'block1/cell': '2x4', 'block1/2x4/layer1': 'k3e6', 'block2/cell': '1x16'}])
    assert found == pytest.approx([2 * np.log(4) + np.log(16)])


def test_pairs_of_the_same_cells_are_compared_with_each_other_alone():
    same, other = {'block1/cell': '2x4'}, {'block1/cell': '2x8'}
    rows = [{'architecture': architecture} for architecture in (same, same, other, other)]
    assert within_cells(rows, np.array([1.0, 2.0, 0.1, 0.2]), np.array([0.5, 0.4, 0.1, 0.2])) == (0, 2)
    assert within_cells(rows[:3], np.array([1.0, 2.0, 0.1]), np.array([0.5, 0.4, 0.1])) == (1, 1)
