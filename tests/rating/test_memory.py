"""What does not fit in memory is rated in halves, to the same result."""

import logging

import pytest
import torch
from torch import nn

import toys
from nni_dna.errors import OutOfMemoryError
from nni_dna.rating import PathRater, rate_supernets, traverse
from nni_dna.rating.memory import Pieces, shortage
from nni_dna.rating.statistics import norms_of, take
from nni_dna.supernet import BlockSupernet

ERRORS = [torch.cuda.OutOfMemoryError('CUDA out of memory. Tried to allocate 2.00 GiB'), MemoryError(),
          RuntimeError('could not create a primitive'),
          RuntimeError("[enforce fail at alloc_cpu.cpp:124] err == 0. DefaultCPUAllocator: can't allocate memory: you tried to "
                       'allocate 1125899906842624 bytes. Error code 12 (Cannot allocate memory)')]


@pytest.fixture(scope='module')
def images():
    return torch.randn(40, 3, 16, 16, generator=torch.Generator().manual_seed(3)) + 0.3


@pytest.fixture(scope='module')
def maps_of():
    teacher = toys.staged_teacher()

    def maps_of(images):
        maps = [images, *teacher(images)]
        return maps[:-1], maps[1:]
    return maps_of


@pytest.fixture(scope='module', params=[toys.Space, toys.Scaled])
def case(request):
    """Supernets and their cells by key; those of the second space share weights, some BatchNorms being NNI's."""
    chain = toys.read_chain(request.param())
    supernets = toys.supernets(toys.staged_teacher(), make=request.param)
    return supernets, {(b, s): block.cells_of(name) for b, s, block, name in chain.supernets()}


def rate(case, maps_of, images, batch=8):
    raters = rate_supernets(*case, maps_of, images[:24], images[24:].split(batch), torch.device('cpu'))
    return [rating for rater in raters.values() for part in rater.ratings() for rating in part.tolist()]


def run_out(monkeypatch, limit, error, last_step_only=False):
    """A layer fails for more images than the limit. Returns the numbers of images that were asked for, in order."""
    asked = []
    run_step = BlockSupernet.run_step

    def limited(self, cell, step, option, x):
        if not last_step_only or step == len(self.steps[cell]) - 1:
            asked.append(len(x))
            if len(x) > limit:
                raise error
        return run_step(self, cell, step, option, x)
    monkeypatch.setattr(BlockSupernet, 'run_step', limited)
    return asked


@pytest.mark.parametrize('error, last_step_only', [(ERRORS[0], False), *((error, True) for error in ERRORS)])
def test_ratings_are_the_same_where_memory_holds_fewer_images(case, maps_of, images, monkeypatch, error, last_step_only):
    expected = rate(case, maps_of, images)
    asked = run_out(monkeypatch, 5, error, last_step_only)
    assert rate(case, maps_of, images) == pytest.approx(expected, rel=2e-6)
    assert max(asked) == 24 and sum(count > 5 for count in asked) == 2 * 3 * len(case[0]) - len(case[0])  # 24, 12, 6; 16, 8


@pytest.mark.parametrize('limit', [1, 7, 23])
def test_ratings_are_the_same_where_the_teacher_takes_fewer_images(case, maps_of, images, limit):
    expected = rate(case, maps_of, images)
    asked = []

    def limited(images):
        asked.append(len(images))
        if len(images) > limit:
            raise ERRORS[0]
        return maps_of(images)
    assert rate(case, limited, images) == pytest.approx(expected, rel=1e-6)
    assert sum(count for count in asked if count <= limit) == 40  # every image once


@pytest.mark.parametrize('at_once', [1, 4 * 768, 10 * 4 * 768, 2 ** 40])  # no map of the toys has more than 768 numbers
def test_batches_are_cut_and_joined_to_what_the_device_likes(case, maps_of, images, monkeypatch, at_once):
    expected = rate(case, maps_of, images)
    monkeypatch.setitem(traverse._AT_ONCE, 'cpu', at_once)
    assert rate(case, maps_of, images, batch=3) == pytest.approx(expected, rel=1e-6)


def test_batches_are_joined_until_the_largest_map_within_a_layer_is_as_large_as_the_device_likes(maps_of, images, monkeypatch):
    supernet = toys.supernets(toys.staged_teacher())[0, 0]
    monkeypatch.setitem(traverse._AT_ONCE, 'cpu', 6 * 3 * 16 * 16 * 4)  # six images: no map is larger than they
    rater = PathRater(supernet, toys.read_chain().blocks[0].cells[:1])
    rater.calibrate(images[:24])
    asked = run_out(monkeypatch, 99, None, last_step_only=True)
    for batch in images[24:].split(4):
        rater.add(batch, maps_of(batch)[1][0])
    assert asked == [6, 6] * 2
    rater.ratings()
    assert asked == [6, 6, 6, 6, 4, 4]


@torch.no_grad()
def test_calibration_in_pieces_gives_the_statistics_of_all_images_together(case, maps_of, images):
    given, _ = maps_of(images)
    for (block, _), supernet in case[0].items():
        supernet.eval()
        x = given[block]
        for step, layer in enumerate(supernet.steps[0]):
            def run(x):
                return supernet.run_step(0, step, 0, x.clone())
            pieces, found = take(run, norms_of(layer), x.split(9))
            (x,), expected = take(run, norms_of(layer), [x])
            assert torch.allclose(torch.cat(pieces), x, rtol=1e-5, atol=1e-6)
            assert [norm for norm, *_ in found] == [norm for norm, *_ in expected]
            for (norm, *kept), (_, *plain) in zip(found, expected):
                assert all(torch.allclose(a, b, rtol=1e-5, atol=1e-6) for a, b in zip(kept, plain))
                assert all(len(tensor) == norm.num_features for tensor in kept)
        assert not any(part._forward_pre_hooks or part._forward_hooks for part in supernet.modules())
    assert sum(len(norms_of(layer)) for layer in supernet.layers) > 0


@torch.no_grad()
def test_several_norms_of_one_layer_get_the_statistics_of_all_images_in_turn(images):
    torch.manual_seed(0)
    layer = nn.Sequential(nn.Conv2d(3, 5, 1), nn.BatchNorm2d(5), nn.SiLU(inplace=True), nn.Conv2d(5, 5, 3, groups=5),
                          nn.BatchNorm2d(5), nn.Sigmoid(), nn.Conv2d(5, 2, 1), nn.BatchNorm2d(2)).eval().requires_grad_(False)
    passes = []
    layer[0].register_forward_hook(lambda *_: passes.append(1))
    whole, expected = take(lambda x: layer(x), norms_of(layer), [images])
    pieces, found = take(lambda x: layer(x), norms_of(layer), images.split(16))
    assert len(passes) == 1 + 4 * 3
    assert torch.allclose(torch.cat(pieces), whole[0], rtol=1e-5, atol=1e-5)
    for (_, *kept), (_, *plain) in zip(found, expected):
        assert all(torch.allclose(a, b, rtol=1e-5, atol=1e-6) for a, b in zip(kept, plain))


def test_what_the_allocator_cannot_give_does_not_fit():
    assert "can't allocate memory" in shortage(lambda: torch.empty(2 ** 58))
    assert shortage(lambda: torch.empty(1)) is None


def test_another_error_is_not_taken_for_one_of_memory(case, maps_of, images, monkeypatch):
    run_out(monkeypatch, 5, RuntimeError('shapes do not match'))
    with pytest.raises(RuntimeError, match='^shapes do not match$'):
        rate(case, maps_of, images)


def test_memory_for_less_than_an_image_is_an_error_that_names_the_remedy(case, maps_of, images, monkeypatch):
    run_out(monkeypatch, 0, ERRORS[0])
    with pytest.raises(OutOfMemoryError, match='one image at least, got OutOfMemoryError: CUDA out.*fewer trials.*'
                                               'data.image_size, or rate.calibration_images$'):
        rate(case, maps_of, images)


def test_an_error_while_rating_leaves_the_sums_as_they_were(case, maps_of, images, monkeypatch):
    (block, number), supernet = next(iter(case[0].items()))
    rater = PathRater(supernet, case[1][block, number])
    given, targets = maps_of(images)
    rater.calibrate(given[block])
    rater.add(given[block], targets[block])
    before = [part.tolist() for part in rater.ratings()]
    with monkeypatch.context() as patch:
        run_out(patch, 0, KeyboardInterrupt(), last_step_only=True)
        rater.add(given[block], targets[block])
        with pytest.raises(KeyboardInterrupt):
            rater.ratings()
    assert [part.tolist() for part in rater.ratings()] == before


def test_pieces_that_fit_are_not_tried_again():
    asked = []

    def work(piece):
        asked.append(len(piece))
        if len(piece) > 3:
            raise MemoryError
    pieces = Pieces('buy more')
    pieces.run(work, torch.zeros(16))
    pieces.run(work, torch.zeros(5))
    assert asked == [16, 8, 4] + [2] * 8 + [2, 2, 1]


def test_the_log_says_how_many_paths_on_how_many_images_and_how_fast(case, maps_of, images, caplog):
    with caplog.at_level(logging.INFO, 'nni_dna'):
        count = len(rate(case, maps_of, images))
    message, = caplog.messages
    assert message.startswith(f'{count} paths rated on 16 images in ') and message.endswith(' paths/s')


@pytest.mark.parametrize('terminal', [True, False])
def test_the_time_left_is_shown_on_a_terminal_only(case, maps_of, images, capsys, monkeypatch, terminal):
    import sys
    monkeypatch.setattr(sys.stderr, 'isatty', lambda: terminal)
    loader = torch.utils.data.DataLoader([(image, 0) for image in images[24:]], batch_size=5)
    rate_supernets(*case, maps_of, images[:24], loader, torch.device('cpu'))
    shown = capsys.readouterr().err
    assert ('rating: 100%|' in shown and ' left' in shown) if terminal else not shown
