"""Feature maps in other layouts than a convolution's."""

import pytest
import torch

from nni_dna.teacher.layout import as_map, map_shape

SQUARE = (64, 64)


@pytest.mark.parametrize('shape, image', [
    ((2, 96, 16, 16), SQUARE), ((2, 16, 16, 16), SQUARE), ((2, 1, 16, 16), SQUARE), ((2, 3, 1, 1), SQUARE),
    ((2, 9, 8, 4), SQUARE), ((2, 24, 12, 8), (96, 64)), ((2, 12, 12, 8), (96, 64)), ((2, 9, 2, 1), (96, 64)),
    ((2, 30, 7, 5), (224, 160))])
def test_a_map_whose_channels_come_first_is_left_as_it_is(shape, image):
    output = torch.randn(shape)
    assert as_map(output, image) is output


@pytest.mark.parametrize('shape, image', [
    ((2, 16, 16, 96), SQUARE), ((2, 16, 16, 15), SQUARE), ((2, 1, 1, 7), SQUARE), ((2, 12, 8, 24), (96, 64)),
    ((2, 3, 2, 768), (96, 64)), ((2, 7, 5, 30), (224, 160))])
def test_channels_that_come_last_are_brought_to_the_front(shape, image):
    output = torch.randn(shape)
    found = as_map(output, image)
    assert torch.equal(found, torch.einsum('bhwc->bchw', output)) and found.is_contiguous()
    assert map_shape(output, image) == (shape[3], shape[1], shape[2])


@pytest.mark.parametrize('image, grid, before', [
    (SQUARE, (4, 4), 0), (SQUARE, (4, 4), 1), (SQUARE, (4, 4), 5), (SQUARE, (8, 8), 1), (SQUARE, (16, 16), 0),
    ((224, 224), (14, 14), 1), ((224, 224), (16, 16), 1), ((224, 224), (7, 7), 2), ((96, 64), (6, 4), 1), ((96, 64), (3, 2), 0)])
def test_tokens_become_a_map_without_those_before_the_images(image, grid, before):
    height, width = grid
    output = torch.randn(2, before + height * width, 5)
    found = as_map(output, image)
    assert found.shape == (2, 5, height, width)
    for row in range(height):
        for column in range(width):
            assert torch.equal(found[:, :, row, column], output[:, before + row * width + column])


@pytest.mark.parametrize('output', [
    torch.zeros(2, 5), torch.zeros(2, 3, 4, 4, 4), torch.zeros(2), 3, None, (torch.zeros(2, 3, 4, 4),), torch.zeros(2, 40, 5),
    torch.zeros(2, 2, 5)], ids=str)
def test_what_is_no_feature_map_is_none(output):
    assert as_map(output, SQUARE) is None
    assert map_shape(output, SQUARE) is None
