"""Where a chain is cut: compared with all ways to cut it."""

import itertools
import math
import random

import pytest

from nni_dna.errors import SpaceError, TeacherError
from nni_dna.spaces.cutting import Cut, Piece, cut

ANY = 10**30


def pieces_of(text):
    """``'16:1 16:1f 8:4 8:6t -:2 8:1p'``: size and number of paths of each unit.

    f has no label, t is tied to the unit before, p only normalises or activates what that gives.
    """
    pieces = []
    for index, word in enumerate(text.split()):
        size, paths = word.split(':')
        pieces.append(Piece(name=f'm{index}', size=None if size == '-' else (int(size), int(size)),
                            paths=int(paths.strip('ftp')), labelled='f' not in paths, tied='t' in paths, pointwise='p' in paths))
    return pieces


def stages_of(*sizes):
    return [(f's{index}', (size, size)) for index, size in enumerate(sizes)]


def made_cut(text, sizes, chosen=False, ends=None, max_paths=ANY):
    return cut(pieces_of(text), stages_of(*sizes), chosen_stages=chosen, ends=ends, max_paths=max_paths)


def blocks_of(found):
    """The units' numbers."""
    return [[int(name[1:]) for name in block] for block in found.blocks]


def largest(pieces, parts):
    return max(math.prod(pieces[index].paths for index in part) for part in parts)


def all_partitions(pieces, whole, own, count):
    """Every cut of ``whole`` into so many parts that each has a choice, between units of ``own`` that may be parted."""
    borders = [index + 1 for index in own
               if index + 1 in whole and not pieces[index + 1].tied and not pieces[index + 1].pointwise]
    for chosen in itertools.combinations(borders, count - 1):
        parts = [list(range(start, stop)) for start, stop in itertools.pairwise([whole.start, *chosen, whole.stop])]
        if all(any(pieces[index].paths > 1 for index in part) for part in parts):
            yield parts


def expected_parts(pieces, whole, own, most, max_paths):
    """The least number of parts that are small enough, or else the most there can be; the smallest largest block."""
    best = None
    for count in range(1, most + 1):
        partitions = list(all_partitions(pieces, whole, own, count))
        if not partitions:
            break
        best = count, min(largest(pieces, parts) for parts in partitions)
        if best[1] <= max_paths:
            break
    return best


@pytest.mark.parametrize('seed', range(60))
def test_units_of_one_size_are_cut_as_little_as_possible_and_so_that_the_largest_block_is_smallest(seed):
    rng = random.Random(seed)
    numbers = [rng.choice([2, 3, 6]), *rng.choices([1, 1, 2, 3, 6, 50], k=rng.randint(1, 8))]
    pieces = [Piece(name=f'm{index}', size=(8, 8), paths=paths, labelled=True, tied=index > 0 and rng.random() < 0.2,
                    pointwise=rng.random() < 0.2) for index, paths in enumerate(numbers)]
    last = max(index for index, piece in enumerate(pieces) if piece.paths > 1 or piece.tied)
    behind = itertools.takewhile(lambda piece: piece.pointwise, pieces[last + 1:])
    last += len(list(behind))
    most, max_paths = rng.randint(1, 6), rng.choice([1, 6, 40, 300, 5000, ANY])
    found = cut(pieces, stages_of(*[8] * most), chosen_stages=False, ends=None, max_paths=max_paths)
    whole = range(last + 1)
    count, smallest = expected_parts(pieces, whole, whole, most, max_paths)
    blocks = blocks_of(found)
    assert len(blocks) == count
    assert largest(pieces, blocks) == smallest
    assert [index for block in blocks for index in block] == list(whole)
    assert blocks in list(all_partitions(pieces, whole, whole, count))


@pytest.mark.parametrize('seed', range(60))
def test_the_sizes_of_a_chain_are_cut_each_on_its_own_and_those_without_a_stage_join_the_next(seed):
    rng = random.Random(1000 + seed)
    pieces, groups = [], []
    for size in (32, 16, 8):
        group = [Piece(name=f'm{len(pieces) + index}', size=(size, size), paths=rng.choice([1, 2, 3, 7]), labelled=True,
                       tied=index > 0 and rng.random() < 0.2) for index in range(rng.randint(1, 4))]
        groups.append(range(len(pieces), len(pieces) + len(group)))
        pieces += group
    pieces.append(Piece(name=f'm{len(pieces)}', size=(4, 4), paths=2, labelled=True))
    groups.append(range(len(pieces) - 1, len(pieces)))
    counts = {32: rng.randint(0, 2), 16: rng.randint(0, 3), 8: rng.randint(0, 3), 4: 1}
    max_paths = rng.choice([3, 20, ANY])
    stages = [(f'{size}.{index}', (size, size)) for size, count in counts.items() for index in range(count)]
    found = cut(pieces, stages, chosen_stages=False, ends=None, max_paths=max_paths)
    blocks, start, position = blocks_of(found), 0, 0
    for own, (size, most) in zip(groups, counts.items()):
        whole = range(start, own.stop)
        if most == 0 or all(pieces[index].paths == 1 for index in whole):
            continue
        count, smallest = expected_parts(pieces, whole, own, most, max_paths)
        parts = blocks[position:position + count]
        assert parts in list(all_partitions(pieces, whole, own, count))
        assert largest(pieces, parts) == smallest
        assert all(stage.startswith(f'{size}.') for stage in found.stages[position:position + count])
        start, position = own.stop, position + count
    assert position == len(blocks) == len(found.stages)
    assert list(found.stages) == [name for name, _ in stages if name in found.stages]


@pytest.mark.parametrize('ends, stages', [
    (['m0', 'm1', 'm3'], 's0 s1 s2'), (['m0', 'm1', 'm2', 'm3'], 's0 s1 s2.0 s2'), (['m1', 'm2', 'm3'], 's1 s2.0 s2'),
    (['m0', 'm3'], 's0 s2')])
def test_parts_of_stages_serve_where_blocks_are_named_and_the_stages_of_a_size_are_too_few(ends, stages):
    finer = [('s0.0', (16, 16)), ('s0', (16, 16)), ('s1', (8, 8)), ('s2.0', (4, 4)), ('s2', (4, 4))]
    found = cut(pieces_of('16:2 8:3 4:5 4:2'), stages_of(16, 8, 4), chosen_stages=False, ends=ends, max_paths=ANY, finer=finer)
    assert ' '.join(found.stages) == stages


def test_parts_of_stages_that_are_too_few_as_well_are_refused_with_the_stages():
    with pytest.raises(TeacherError, match='a stage of 4x4 pixels for each of 3 blocks .*, got 2; .*Stages: s0: 8x8; s1: 4x4$'):
        cut(pieces_of('8:2 4:3 4:5 4:2'), stages_of(8, 4), chosen_stages=False, ends=['m0', 'm1', 'm2', 'm3'], max_paths=ANY,
            finer=[('s0', (8, 8)), ('s1.0', (4, 4)), ('s1', (4, 4))])


@pytest.mark.parametrize('text, sizes, blocks, stages', [
    ('16:2 8:3 4:5', (16, 8, 4), [[0], [1], [2]], 's0 s1 s2'),
    ('16:2 8:3 8:3 4:5', (16, 8, 4), [[0], [1, 2], [3]], 's0 s1 s2'),
    ('16:2 8:3 4:5', (32, 16, 8, 4, 2, 1), [[0], [1], [2]], 's1 s2 s3'),
    ('16:2 8:3 4:5', (8, 4), [[0, 1], [2]], 's0 s1'),
    ('16:2 8:3 4:5', (4,), [[0, 1, 2]], 's0'),
    ('16:2 8:1 4:5', (16, 8, 4), [[0], [1, 2]], 's0 s2'),
    ('16:1 8:2', (16, 8), [[0, 1]], 's1'),
    ('8:2 8:2', (8, 8, 8), [[0, 1]], 's2'),
    ('8:2 8:2 4:2', (8, 8, 8, 4, 4), [[0, 1], [2]], 's2 s4'),
    ('8:2 -:2 8:2', (8,), [[0, 1, 2]], None),
], ids=['one each', 'two units of a size', 'stages that no block has', 'no stage for the first', 'one stage', 'a fixed size',
        'a fixed beginning', 'the last stage of a size', 'the last stage of each size', 'no map between'])
def test_a_block_ends_where_the_size_changes_and_takes_the_last_stage_of_its_size(text, sizes, blocks, stages):
    if stages is None:
        with pytest.raises(TeacherError, match='in the order in which these run'):
            made_cut(text, sizes)
    else:
        found = made_cut(text, sizes)
        assert blocks_of(found) == blocks
        assert list(found.stages) == stages.split()


def test_stages_of_one_size_are_spread_evenly_over_its_blocks():
    for stages, blocks in itertools.product(range(1, 9), range(1, 5)):
        if stages < blocks:
            continue
        found = made_cut(' '.join(['8:10'] * blocks), [8] * stages, max_paths=10)
        assert len(found.blocks) == blocks
        numbers = [int(stage[1:]) for stage in found.stages]
        gaps = [b - a for a, b in itertools.pairwise([-1, *numbers])]
        assert numbers[-1] == stages - 1 and min(gaps) >= 1
        assert max(gaps) - min(gaps) <= 1


def test_what_runs_before_the_first_label_is_the_stem_and_what_runs_behind_the_last_choice_is_in_no_block():
    found = made_cut('32:1f 16:1f 16:1 16:2 8:1f 8:3 8:1 8:1f 4:1', (16, 8, 4))
    assert found == Cut(stem=('m0', 'm1'), blocks=(('m2', 'm3'), ('m4', 'm5')), stages=('s0', 's1'))


def test_normalisation_and_activation_belong_to_the_block_of_what_they_follow():
    assert blocks_of(made_cut('16:2 16:1p 16:1p 8:2 8:1p 8:1p 8:1 8:1p', (16, 8))) == [[0, 1, 2], [3, 4, 5]]
    assert blocks_of(made_cut('8:4 8:1p 8:4 8:4p 8:1p 4:1p', [8] * 3, max_paths=4)) == [[0, 1], [2, 3, 4]]
    assert blocks_of(made_cut('8:4 8:1p 8:4 8:1p', [8] * 3, ends=['m0', 'm2'])) == [[0], [1, 2]]  # as the user says


def test_no_block_ends_between_units_that_share_an_operation():
    assert blocks_of(made_cut('8:4 8:4 8:4', [8] * 3, max_paths=4)) == [[0], [1], [2]]
    assert blocks_of(made_cut('8:4 8:4t 8:4', [8] * 3, max_paths=4)) == [[0, 1], [2]]
    assert blocks_of(made_cut('8:4 8:4t 8:4t', [8] * 3, max_paths=4)) == [[0, 1, 2]]


def test_every_stage_that_the_user_names_supervises_a_block():
    for count in range(1, 5):
        found = made_cut('8:2 8:3 8:4 8:5', [8] * count, chosen=True)
        assert list(found.stages) == [f's{index}' for index in range(count)]
        pieces = pieces_of('8:2 8:3 8:4 8:5')
        assert largest(pieces, blocks_of(found)) == min(
            largest(pieces, parts) for parts in all_partitions(pieces, range(4), range(4), count))


@pytest.mark.parametrize('ends, stem, blocks, stages', [
    (['m1', 'm3', 'm4'], [0], [[1], [2, 3], [4]], 's0 s2 s4'),
    (['m2', 'm4'], [0], [[1, 2], [3, 4]], 's2 s4'),
    (['m4'], [0], [[1, 2, 3, 4]], 's4'),
    (['m0', 'm2', 'm4'], [], [[0], [1, 2], [3, 4]], 's0 s2 s4'),
    (['m2', 'm3'], [0], [[1, 2], [3]], 's1 s2'),
])
def test_blocks_end_where_the_user_says(ends, stem, blocks, stages):
    found = made_cut('16:1f 16:2 8:1f 8:3 4:2', (16, 8, 8, 4, 4), ends=ends)
    assert [int(name[1:]) for name in found.stem] == stem
    assert blocks_of(found) == blocks
    assert list(found.stages) == stages.split()


def test_a_name_of_what_was_taken_apart_means_its_last_unit():
    pieces = [Piece(name=name, size=(8, 8), paths=2, labelled=True)
              for name in ('a.0', 'a.1.0', 'a.1.1', 'a.10', 'b.0', 'b.1')]
    found = cut(pieces, stages_of(8, 8, 8, 8), chosen_stages=False, ends=['a.1', 'a', 'b'], max_paths=ANY)
    assert found.blocks == (('a.0', 'a.1.0', 'a.1.1'), ('a.10',), ('b.0', 'b.1'))


def test_blocks_that_the_user_names_are_not_cut_further_however_large():
    assert blocks_of(made_cut('8:9 8:9 8:9', [8] * 3, ends=['m2'], max_paths=2)) == [[0, 1, 2]]


@pytest.mark.parametrize('sizes, chosen', [((16, 8), True), ((99, 1), True), ((16, 16, 8, 8), False)])
def test_blocks_and_stages_that_the_user_names_are_paired_in_their_order(sizes, chosen):
    found = made_cut('16:2 8:3', sizes, chosen=chosen, ends=['m0', 'm1'])
    assert found.stages == (('s0', 's1') if chosen else ('s1', 's3'))


def test_no_names_of_ends_leave_the_cut_to_the_sizes():
    assert made_cut('16:2 8:3', (16, 8), ends=[]) == made_cut('16:2 8:3', (16, 8))


@pytest.mark.parametrize('text, sizes, options, error, message', [
    ('16:1 8:1', (16, 8), {}, SpaceError, 'the model space has no choice to make in any module that runs in a chain; add a'),
    ('', (16, 8), {}, SpaceError, 'the model space has no choice to make'),
    ('16:2 8:3', (16,), {}, TeacherError,
     r"no stage gives what module 'm1' of the space gives, which has a choice to make \(8x8 pixels\); name a stage of that "
     'size, or give the labels behind the last stage a single value in the search space. Stages: s0: 16x16$'),
    ('16:2 8:3', (32, 4), {}, TeacherError, r"no stage gives what module 'm1' .*\(8x8 pixels\).* Stages: s0: 32x32; s1: 4x4$"),
    ('16:2 -:3', (16, 8), {}, TeacherError,
     r"module 'm1' of the space gives, which has a choice to make \(no feature map\); give the labels behind the last stage"),
    ('16:2 8:3', (16, 8, 4), {'chosen': True}, TeacherError,
     "stage 's2' gives 4x4 pixels, and no block of the space that has a choice does; modules of the space: m0: 16x16; m1: 8x8$"),
    ('16:1 8:3', (16, 8), {'chosen': True}, TeacherError, "stage 's0' gives 16x16 pixels, and no block"),
    ('8:2 8:2', (8, 8, 8), {'chosen': True}, TeacherError,
     '3 stages give 8x8 pixels, but the space can be cut into 2 blocks of that size only; name fewer stages'),
    ('8:2 8:2t', (8, 8), {'chosen': True}, TeacherError, '2 stages .* cut into 1 block of that size only'),
    ('16:2 8:3', (16, 8), {'ends': ['m0', 'n1']}, SpaceError,
     "space.blocks: no module 'n1' is among those that run one after another; nearest known: m1"),
    ('16:2 8:3', (16, 8), {'ends': ['m1', 'm0']}, SpaceError,
     "space.blocks: expected the last module of each block, in the order in which they run; 'm0' is not behind the one before"),
    ('16:2 8:3', (16, 8), {'ends': ['m0', 'm0']}, SpaceError, "'m0' is not behind the one before"),
    ('16:2 8:3', (16,), {'ends': ['m0', 'm1']}, TeacherError,
     'expected a stage of 8x8 pixels for each of 1 blocks that give this, got 0; .*Stages: s0: 16x16$'),
    ('8:2 8:3 8:2', (8, 8), {'ends': ['m0', 'm1', 'm2']}, TeacherError,
     'expected a stage of 8x8 pixels for each of 3 blocks that give this, got 2; join blocks'),
    ('8:2 -:3', (8, 8), {'ends': ['m0', 'm1']}, TeacherError, 'expected a stage of no feature map'),
    ('16:2 8:3', (16, 8, 4), {'chosen': True, 'ends': ['m0', 'm1']}, TeacherError,
     'teacher.stages: expected one stage for each of the 2 blocks of the space, got 3: s0, s1, s2; '
     'name one for each, or change space.blocks'),
    ('16:2 8:3', (16,), {'chosen': True, 'ends': ['m0', 'm1']}, TeacherError,
     'each of the 2 blocks of the space, got 1: s0; name one for each, or change space.blocks'),
    ('16:2 8:3 16:2', (16, 8), {}, TeacherError,
     r'no stages have the sizes of the blocks in the order in which these run \(16x16 pixels, 8x8 pixels, 16x16 pixels\)'),
    ('8:2 16:3', (16, 8), {'ends': ['m0', 'm1']}, TeacherError, 'in the order in which these run'),
], ids=['no choice', 'no unit', 'no stage for the last', 'no stage at all', 'no map at the end', 'a stage too many',
        'a stage of a fixed size', 'more stages of a size than units', 'more stages of a size than units that are not tied',
        'an unknown end', 'ends in another order', 'an end twice', 'no stage for an end', 'too few stages for the ends',
        'an end without a map', 'more stages than ends', 'fewer stages than ends', 'sizes that come back',
        'stages in another order'])
def test_what_cannot_be_matched_is_refused_with_the_sizes(text, sizes, options, error, message):
    with pytest.raises(error, match=message):
        made_cut(text, sizes, **options)
