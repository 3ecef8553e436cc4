"""Edit lists worked by hand."""

from __future__ import annotations

from typing import Any

import pytest

from viseme.sandbox.models.pipio_edits import Edits, Kept, New

# lists, num_frames, result: numbers are kept pictures, (before, after) is a new one
VECTORS: list[tuple[Edits, int, list[Any]]] = [
    (Edits(), 3, [0, 1, 2]),
    # two new ones before picture 1
    (Edits([1], [2]), 3, [0, (0, 1), (0, 1), 1, 2]),
    # at the start and at the end the nearest picture is held
    (Edits([0, 3], [1, 2]), 3, [(0, 0), 0, 1, 2, (2, 2), (2, 2)]),
    # a jump cut
    (Edits((), (), [1, 2], [0]), 5, [0, 3, 4]),
    # a bridge in the place of what was removed
    (Edits((), (), [1, 2], [3]), 5, [0, (0, 3), (0, 3), (0, 3), 3, 4]),
    # the start and the end removed
    (Edits((), (), [0, 1, 4, 5], [1, 1]), 6, [(2, 2), 2, 3, (3, 3)]),
    # two removals that touch make one seam
    (Edits((), (), [1, 1, 2, 3], [1, 2]), 6, [0, (0, 4), (0, 4), (0, 4), 4, 5]),
    # an addition right after a removal shares the seam with its bridge
    (Edits([3], [2], [1, 2], [1]), 5, [0, (0, 3), (0, 3), (0, 3), 3, 4]),
    # two removals, a bridge, a jump cut and an addition at once
    (
        Edits([7], [3], [1, 2, 4, 5], [2, 0]),
        10,
        [0, (0, 3), (0, 3), 3, 6, (6, 7), (6, 7), (6, 7), 7, 8, 9],
    ),
]


@pytest.mark.parametrize(("edits", "num_frames", "expected"), VECTORS)
def test_every_picture_of_an_edited_timeline_is_where_it_was_worked_out(
    edits: Edits, num_frames: int, expected: list[Any]
) -> None:
    assert edits.problems(num_frames) == []
    pictures = [
        picture.index if isinstance(picture, Kept) else (picture.before, picture.after)
        for picture in edits.timeline(num_frames)
    ]
    assert pictures == expected
    assert edits.frame_count(num_frames) == len(expected)


def test_new_pictures_lead_evenly_from_one_kept_picture_to_the_next() -> None:
    timeline = list(Edits([1], [3]).timeline(2))
    assert timeline[1:4] == [New(0, 1, 0.25), New(0, 1, 0.5), New(0, 1, 0.75)]


def test_the_length_is_the_frames_plus_what_is_added_less_what_is_removed() -> None:
    edits = Edits([100], [12], [10, 19, 50, 59], [0, 6])
    assert edits.frame_count(132) == 132 + 12 - 10 - 10 + 0 + 6


@pytest.mark.parametrize(
    ("edits", "field", "text"),
    [
        (Edits([1, 2], [3]), "edit_addition_durations", "same length, got 2 and 1"),
        (Edits((), (), [1, 2, 3], [0]), "edit_removal_ranges", "in pairs, got 3"),
        (Edits((), (), [1, 2], []), "edit_removal_bridge_durations", "got 0 for 1"),
        (Edits((), (), [3, 2], [0]), "edit_removal_ranges", "[3, 2] is not a range"),
        (Edits((), (), [8, 10], [0]), "edit_removal_ranges", "within frames 0 to 9"),
        (Edits((), (), [-1, 2], [0]), "edit_removal_ranges", "[-1, 2] is not a range"),
        (Edits((), (), [1, 4, 4, 6], [0, 0]), "edit_removal_ranges", "without overlap"),
        (Edits((), (), [5, 6, 1, 2], [0, 0]), "edit_removal_ranges", "after the range before"),
        (Edits((), (), [0, 9], [5]), "edit_removal_ranges", "No frame is left"),
        (Edits((), (), [1, 2], [-1]), "edit_removal_bridge_durations", "at least 0"),
        (Edits([11], [1]), "edit_addition_start_frames", "Frame 11 is not in 0 to 10"),
        (Edits([-1], [1]), "edit_addition_start_frames", "Frame -1 is not in"),
        (Edits([4, 2], [1, 1]), "edit_addition_start_frames", "ascend"),
        (Edits([2, 2], [1, 1]), "edit_addition_start_frames", "ascend"),
        (Edits([2], [0]), "edit_addition_durations", "at least 1"),
        (Edits([2], [1], [2, 4], [0]), "edit_addition_start_frames", "inside the removed"),
        (Edits([4], [1], [2, 4], [0]), "edit_addition_start_frames", "inside the removed"),
    ],
)
def test_lists_that_make_no_sense_are_refused(edits: Edits, field: str, text: str) -> None:
    problems = edits.problems(10)
    assert [problem.loc[0] for problem in problems] == [field]
    assert text in problems[0].message
