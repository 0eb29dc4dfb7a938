"""``examples/compare/part.py``: a part of an image folder as a source of nni_dna."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from nni_dna.data.sources import load_task
from nni_dna.errors import DataError

EXAMPLE = Path(__file__).parent.parent.parent / 'examples' / 'compare'
CLASSES, IN_TRAIN, IN_TEST = 3, 5, 2


@pytest.fixture
def folder(tmp_path, monkeypatch):
    """Images of one colour each, which says which image it is: class, and number."""
    monkeypatch.syspath_prepend(str(EXAMPLE))
    for part, count in ('train', IN_TRAIN), ('test', IN_TEST):
        for label in range(CLASSES):
            (tmp_path / part / f'class{label}').mkdir(parents=True)
            for number in range(count):
                colour = np.full((4, 4, 3), 50 * label + number, dtype=np.uint8)
                Image.fromarray(colour).save(tmp_path / part / f'class{label}' / f'{number}.png')
    return tmp_path


def colours(dataset):
    return [(int(np.asarray(image)[0, 0, 0]), label) for image, label in (dataset[index] for index in range(len(dataset)))]


@pytest.mark.parametrize('per_class', [1, 3, IN_TRAIN, IN_TRAIN + 1])
def test_the_first_training_images_of_each_class_and_all_test_images(folder, per_class):
    task = load_task('part.first_images', folder, {'per_class': per_class})
    first = min(per_class, IN_TRAIN)
    assert colours(task.train) == [(50 * label + number, label) for label in range(CLASSES) for number in range(first)]
    assert colours(task.test) == [(50 * label + number, label) for label in range(CLASSES) for number in range(IN_TEST)]
    assert task.labels == [label for label in range(CLASSES) for _ in range(first)]
    assert task.num_classes == CLASSES


def test_a_folder_without_images_is_named(folder):
    with pytest.raises(DataError, match='data.name: loading .*part.first_images.*; mend data.root'):
        load_task('part.first_images', folder / 'train', {'per_class': 1})
