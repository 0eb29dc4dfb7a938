"""Pictures: names cover nothing, figures keep to one width and style, and odd data are drawn too."""

from __future__ import annotations

import io

import matplotlib
import numpy as np
import pytest
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.text import Text
from PIL import Image

from nni_dna.report.facts.folder import CellRatings
from nni_dna.report.facts.over_training import EpochResult
from nni_dna.report.facts.published_models import PUBLISHED_MODELS
from nni_dna.report.pictures.losses import draw_losses
from nni_dna.report.pictures.over_training import draw_over_training
from nni_dna.report.pictures.ratings import MOST_CELLS, draw_ratings
from nni_dna.report.pictures.style import WIDTH, amount, png, style
from nni_dna.report.pictures.tradeoff import draw_accuracy


@pytest.mark.parametrize('cost', ['params', 'madds'])
def test_names_of_published_models_cover_neither_each_other_nor_leave_the_picture(cost):
    published = [(model.name, getattr(model, cost), model.accuracy) for model in PUBLISHED_MODELS]
    with style():
        figure = draw_accuracy(cost, 'accuracy', True, [(1, published[2][1] * 0.98, 0.779)], published, None)
    axes, renderer = figure.axes[0], FigureCanvasAgg(figure).get_renderer()
    figure.draw_without_rendering()
    boxes = {text.get_text(): Text.get_window_extent(text, renderer) for text in axes.texts}  # without leaders, which may cross
    assert set(boxes) == {'1', *(model.name for model in PUBLISHED_MODELS)}
    frame = axes.get_window_extent(renderer)
    names = list(boxes)
    for index, name in enumerate(names):
        assert frame.x0 <= boxes[name].x0 and boxes[name].x1 <= frame.x1
        assert not any(boxes[name].overlaps(boxes[other]) for other in names[:index]), name


def cells(number, paths=5, **options):
    rng = np.random.default_rng(0)
    return [CellRatings(name=f'depth={index}', choice={'depth': index}, ratings=rng.random(paths) + index, **options)
            for index in range(number)]


def size(figure):
    return Image.open(io.BytesIO(png(figure))).size


def test_of_very_many_cells_the_best_are_drawn_and_the_chosen_is_among_them():
    many = cells(3 * MOST_CELLS)
    many[-1] = CellRatings(name='depth=59', choice={'depth': 59}, ratings=many[-1].ratings, chosen=float(many[-1].ratings[0]))
    with style():
        figure = draw_ratings('block1', many)
    rows = [label.get_text().split('\n')[0] for label in figure.axes[0].get_yticklabels()]
    assert len(rows) == MOST_CELLS
    assert rows[::-1] == [*(f'depth={index}' for index in range(MOST_CELLS - 1)), 'depth=59']


@pytest.mark.parametrize('ratings', [[1.0], [1.0, 1.0], [np.inf, 1.0, np.nan], list(range(1000))])
def test_one_path_equal_paths_and_paths_that_are_not_finite_are_drawn(ratings):
    with style():
        figure = draw_ratings('block1', [CellRatings(name='only', choice={}, ratings=np.array(ratings, dtype=float), chosen=1.0)])
    assert size(figure)[0] == WIDTH * 200


def test_losses_with_epochs_left_out_and_many_supernets_are_drawn():
    with style():
        figure = draw_losses('block1', {f'cell{number}': [3.0, None, 1.0 + number] for number in range(30)})
    assert len({(line.get_color(), str(line._dash_pattern)) for line in figure.axes[0].lines}) >= 24
    assert size(figure)[0] == WIDTH * 200


def test_a_panel_is_drawn_for_what_is_known_by_epoch():
    results = [EpochResult(epoch=1, rating=2.0, accuracy=None), EpochResult(epoch=3, rating=1.0, accuracy=None)]
    for losses, known, panels in (([], results, 1), ([2.0, 1.5, 1.2], results, 2),
                                  ([2.0], [*results, EpochResult(epoch=4, rating=1.0, accuracy=0.5)], 3)):
        with style():
            figure = draw_over_training(known, losses, 'accuracy', True)
        assert len(figure.axes) == panels
        assert figure.axes[-1].get_xlabel()


def test_the_users_own_style_stays_as_it_is_and_does_not_matter():
    def draw():
        with style():
            figure = draw_losses('block1', {'only': [2.0, 1.0]})
        return png(figure)
    plain = draw()
    with matplotlib.rc_context({'font.size': 30, 'axes.facecolor': 'black'}):
        assert draw() == plain
        assert matplotlib.rcParams['font.size'] == 30


@pytest.mark.parametrize('value, text', [(348e6, '348 M'), (4.2e6, '4.2 M'), (30_000, '30 k'), (999_999, '1 M'), (12, '12')])
def test_amounts_are_written_as_people_write_them(value, text):
    assert amount(value) == text
