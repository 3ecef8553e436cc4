"""Edit arithmetic: vectors worked by hand, then what must hold for every plan."""

import itertools
import json
from decimal import Decimal
from fractions import Fraction
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from viseme import edits
from viseme.edits import Addition, EditPlan, Removal
from viseme.errors import InputError
from viseme.sandbox.models.pipio_edits import Edits, Kept

VECTORS: dict[str, Any] = json.loads(
    (Path(__file__).parent / "vectors" / "edits.json").read_text(encoding="utf-8")
)
RATES = [Fraction(25), Fraction(24), Fraction(30000, 1001), Fraction(60000, 1001), Fraction(7, 3)]


def by_name(group: str) -> pytest.MarkDecorator:
    return pytest.mark.parametrize(
        "vector", [pytest.param(vector, id=vector["name"]) for vector in VECTORS[group]]
    )


@by_name("plans")
def test_a_plan_worked_by_hand(vector: dict[str, Any]) -> None:
    plan, frame_count = edits.parse(vector["document"]), vector["frame_count"]
    runs = edits.segments(plan, frame_count)
    assert [[run.origin, run.start_frame, run.frame_count] for run in runs] == vector["segments"]
    assert edits.frame_map(plan, frame_count) == vector["frame_map"]
    assert edits.output_frame_count(plan, frame_count) == len(vector["frame_map"])
    assert edits.to_pipio(plan) == vector["pipio"]
    assert edits.from_pipio(vector["pipio"]) == plan
    for cut in vector["sound"]:
        sound = edits.sound_segments(
            plan, frame_count, Fraction(cut["frame_rate"]), cut["sample_rate"]
        )
        assert [[run.start_sample, run.sample_count] for run in sound] == cut["runs"]


@by_name("seconds")
def test_seconds_become_frames_by_their_decimal_text(vector: dict[str, Any]) -> None:
    rate = Fraction(vector["frame_rate"])
    from_object = edits.parse(vector["document"], rate)
    from_text = edits.parse(json.dumps(vector["document"]), rate)
    assert edits.to_pipio(from_object) == edits.to_pipio(from_text) == vector["pipio"]


@by_name("errors")
def test_a_plan_that_cannot_be_is_refused_by_field(vector: dict[str, Any]) -> None:
    rate = Fraction(vector["frame_rate"]) if "frame_rate" in vector else None
    with pytest.raises(InputError) as refused:
        edits.validate(edits.parse(vector["document"], rate), vector["frame_count"])
    error = refused.value
    assert error.field == vector["field"]
    assert error.value is not None
    assert error.limit is not None
    assert error.remedy is not None
    assert "\n" not in str(error)


@pytest.mark.parametrize(
    "text",
    [
        "",
        "[]",
        "3",
        "{",
        '{"unit": "frames", "unit": "frames"}',
        '{"unit": "frames", "additions": [{"at": NaN, "duration": 1}]}',
        '{"unit": "frames", "additions": [{"at": 1e999999999, "duration": 1}]}',
        '{"unit": "frames", "additions": [{"at": 1e-999999999, "duration": 1}]}',
        '{"unit": "frames", "additions": [{"at": ' + "9" * 5000 + ', "duration": 1}]}',
        '{"unit": "frames", "additions": ' + "[" * 100_000 + "}",
        '{"unit": "frames", "additions": {"at": 1}}',
        '{"unit": "frames", "additions": [1]}',
        '{"unit": ["frames"]}',
    ],
)
def test_text_that_is_no_plan_is_refused(text: str) -> None:
    with pytest.raises(InputError):
        edits.parse(text, Fraction(25))


def test_a_float_stands_for_its_shortest_decimal_text() -> None:
    document = {"unit": "seconds", "additions": [{"at": 0.7, "duration": 0.1}]}
    exact = {"unit": "seconds", "additions": [{"at": Decimal("0.7"), "duration": "0.1"}]}
    plan = edits.parse(document, Fraction(25))
    assert plan == edits.parse(exact, Fraction(25)) == EditPlan((Addition(18, 3),))


def test_a_plan_without_edits_is_empty() -> None:
    assert edits.parse({"unit": "frames"}).is_empty
    assert edits.from_pipio(dict.fromkeys(edits.PIPIO_LISTS)).is_empty
    assert not EditPlan(removals=(Removal(1, 1),)).is_empty


@st.composite
def plans(draw: st.DrawFn) -> tuple[EditPlan, int]:
    """A valid plan and the frame count of its clip."""
    frame_count = draw(st.integers(1, 200))
    ends = sorted(draw(st.sets(st.integers(0, frame_count - 1), max_size=12)))
    removals = tuple(
        Removal(first, last, draw(st.integers(0, 9)))
        for first, last in zip(ends[::2], ends[1::2], strict=False)
        if (first, last) != (0, frame_count - 1)
    )
    kept = [
        frame
        for frame in range(frame_count + 1)
        if not any(cut.first_frame <= frame <= cut.last_frame for cut in removals)
    ]
    places = sorted(draw(st.sets(st.sampled_from(kept), max_size=6)))
    additions = tuple(Addition(place, draw(st.integers(1, 9))) for place in places)
    removed = sum(cut.last_frame - cut.first_frame + 1 for cut in removals)
    if removed == frame_count:
        removals = ()
    return EditPlan(additions, removals), frame_count


@given(plans())
def test_every_kept_frame_appears_once_and_in_order(drawn: tuple[EditPlan, int]) -> None:
    plan, frame_count = drawn
    removed = {
        frame for cut in plan.removals for frame in range(cut.first_frame, cut.last_frame + 1)
    }
    mapped = edits.frame_map(plan, frame_count)
    assert [frame for frame in mapped if frame is not None] == [
        frame for frame in range(frame_count) if frame not in removed
    ]
    new = sum(addition.frame_count for addition in plan.additions)
    new += sum(removal.bridge_frame_count for removal in plan.removals)
    assert len(mapped) == frame_count - len(removed) + new
    assert len(mapped) == edits.output_frame_count(plan, frame_count)


@given(plans(), st.sampled_from(RATES), st.sampled_from([8000, 44100, 48000, 96000, 3]))
def test_sound_is_cut_to_the_sample_without_drift(
    drawn: tuple[EditPlan, int], frame_rate: Fraction, sample_rate: int
) -> None:
    plan, frame_count = drawn
    runs = edits.sound_segments(plan, frame_count, frame_rate, sample_rate)
    output_frames = edits.output_frame_count(plan, frame_count)
    total = sum(run.sample_count for run in runs)
    assert total == edits.sample_at(output_frames, frame_rate, sample_rate)
    assert abs(total - output_frames * sample_rate / frame_rate) <= Fraction(1, 2)
    source_end = edits.sample_at(frame_count, frame_rate, sample_rate)
    for run in runs:
        assert run.sample_count > 0
        if run.start_sample is not None and run.end_sample is not None:
            assert 0 <= run.start_sample < run.end_sample <= source_end
    assert not any(
        before.start_sample is None and after.start_sample is None
        for before, after in itertools.pairwise(runs)
    )


@given(plans(), st.sampled_from(RATES), st.sampled_from([8000, 44100, 48000]))
def test_every_kept_frame_keeps_its_own_sound_within_rounding(
    drawn: tuple[EditPlan, int], frame_rate: Fraction, sample_rate: int
) -> None:
    plan, frame_count = drawn
    heard: list[int | None] = []
    for run in edits.sound_segments(plan, frame_count, frame_rate, sample_rate):
        start = run.start_sample
        heard += (
            [None] * run.sample_count
            if start is None
            else list(range(start, start + run.sample_count))
        )
    for output_frame, source_frame in enumerate(edits.frame_map(plan, frame_count)):
        sample = heard[edits.sample_at(output_frame, frame_rate, sample_rate)]
        if source_frame is None:
            assert sample is None
        else:
            assert sample is not None
            assert abs(sample - source_frame * sample_rate / frame_rate) <= Fraction(3, 2)


@given(plans())
def test_the_sandbox_which_counts_for_itself_counts_the_same(
    drawn: tuple[EditPlan, int],
) -> None:
    plan, frame_count = drawn
    theirs = Edits(*edits.to_pipio(plan).values())
    assert theirs.problems(frame_count) == []
    shown = [
        picture.index if isinstance(picture, Kept) else None
        for picture in theirs.timeline(frame_count)
    ]
    assert shown == edits.frame_map(plan, frame_count)


@given(
    st.lists(st.integers(-1, 12), max_size=3),
    st.lists(st.integers(0, 3), max_size=3),
    st.lists(st.integers(-1, 12), max_size=6),
    st.lists(st.integers(-1, 3), max_size=3),
)
def test_the_sandbox_which_checks_for_itself_refuses_the_same(
    starts: list[int], durations: list[int], ranges: list[int], bridges: list[int]
) -> None:
    lists = dict(zip(edits.PIPIO_LISTS, (starts, durations, ranges, bridges), strict=True))
    theirs = Edits(*lists.values()).problems(10)
    try:
        edits.validate(edits.from_pipio(lists), 10)
    except InputError:
        assert theirs
    else:
        assert theirs == []


@given(plans(), st.sampled_from(RATES))
def test_a_plan_comes_back_from_each_of_its_forms(
    drawn: tuple[EditPlan, int], frame_rate: Fraction
) -> None:
    plan, frame_count = drawn
    edits.validate(plan, frame_count)
    assert edits.from_pipio(edits.to_pipio(plan)) == plan
    assert edits.parse(json.dumps(edits.to_pipio(plan))) == plan
    assert edits.parse(json.dumps(edits.to_json(plan))) == plan
    assert edits.parse(json.dumps(edits.to_json(plan, frame_rate)), frame_rate) == plan


@given(
    st.recursive(
        st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=8),
        lambda inner: (
            st.lists(inner, max_size=4)
            | st.dictionaries(
                st.sampled_from(
                    [
                        "unit",
                        "additions",
                        "removals",
                        "at",
                        "duration",
                        "from",
                        "to",
                        "bridge",
                        *list(edits.PIPIO_LISTS),
                    ]
                ),
                inner,
                max_size=4,
            )
        ),
        max_leaves=12,
    )
)
def test_whatever_is_given_is_a_plan_or_an_input_error(document: Any) -> None:
    try:
        edits.validate(edits.parse(document, Fraction(25)), 10)
    except InputError as error:
        assert error.field
