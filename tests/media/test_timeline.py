from __future__ import annotations

from fractions import Fraction

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from viseme.media.fit import Fit, fit_video
from viseme.media.timeline import STANDARD_RATES, find_pace, frame_at

MILLISECOND = Fraction(1, 1000)


def rounded_stamps(rate: Fraction, count: int, time_base: Fraction) -> np.ndarray:
    return np.array([round(k / rate / time_base) for k in range(count)], np.int64)


@pytest.mark.parametrize("rate", [r for r in STANDARD_RATES if r <= 120], ids=str)
def test_a_standard_rate_survives_rounding_to_milliseconds(rate: Fraction) -> None:
    pace = find_pace(rounded_stamps(rate, 3000, MILLISECOND), MILLISECOND, 0, [])
    assert (pace.rate, pace.is_constant, pace.frame_count) == (rate, True, 3000)


@pytest.mark.parametrize("rate", [Fraction(30000, 1001), Fraction(30), Fraction(24), Fraction(25)])
def test_in_a_short_clip_of_milliseconds_the_header_decides(rate: Fraction) -> None:
    claimed = Fraction(round(rate * 10_000), 10_000)
    pace = find_pace(rounded_stamps(rate, 4, MILLISECOND), MILLISECOND, 0, [claimed])
    assert (pace.rate, pace.is_constant) == (rate, True)


def test_an_unusual_exact_rate_is_kept() -> None:
    pace = find_pace(np.arange(50, dtype=np.int64) * 1400, Fraction(1, 18200), 1400, [])
    assert (pace.rate, pace.is_constant) == (Fraction(13), True)


def test_a_lying_header_is_not_believed() -> None:
    stamps = np.arange(50, dtype=np.int64) * 512
    pace = find_pace(stamps, Fraction(1, 12800), 512, [Fraction(90000), Fraction(50)])
    assert (pace.rate, pace.is_constant) == (Fraction(25), True)


def test_ten_frames_a_second_in_the_middle_make_the_rate_variable() -> None:
    times = [*range(0, 1000, 33), *range(1000, 2000, 100), *range(2000, 3000, 33)]
    pace = find_pace(np.array(times, np.int64), MILLISECOND, 33, [])
    assert pace.is_constant is False
    assert pace.rate == 30
    assert abs(pace.frame_count - 90) <= 1


def test_a_last_picture_that_is_held_counts_for_as_long_as_it_is_shown() -> None:
    stamps = np.array([0, 40, 80, 200], np.int64)
    assert find_pace(stamps, MILLISECOND, 800, []).frame_count == 25


@pytest.mark.parametrize(
    ("last_duration", "is_constant", "frame_count"),
    [(0, True, 10), (20, True, 10), (40, True, 10), (59, True, 10), (60, False, 11),
     (80, False, 11), (5000, False, 134)],
)  # fmt: skip
def test_a_last_picture_that_is_held_makes_even_times_variable(
    last_duration: int, is_constant: bool, frame_count: int
) -> None:
    stamps = np.arange(10, dtype=np.int64) * 40
    pace = find_pace(stamps, MILLISECOND, last_duration, [Fraction(125, 67)])
    assert (pace.rate, pace.is_constant, pace.frame_count) == (
        Fraction(25),
        is_constant,
        frame_count,
    )


def test_a_longer_first_picture_alone_does_not_make_the_rate_variable() -> None:
    stamps = np.array([0, *(786 + 512 * k for k in range(9))], np.int64)
    pace = find_pace(stamps, Fraction(1, 12800), 512, [])
    assert (pace.rate, pace.is_constant, pace.frame_count) == (Fraction(25), True, 10)
    assert pace.first_seconds == Fraction(786 - 512, 12800)


@given(
    st.lists(st.integers(1, 400), min_size=1, max_size=60),
    st.sampled_from([MILLISECOND, Fraction(1, 90000), Fraction(1, 600)]),
)
def test_nothing_moves_by_more_than_half_a_frame(gaps: list[int], time_base: Fraction) -> None:
    stamps = np.cumsum(np.array([0, *gaps], np.int64))
    pace = find_pace(stamps, time_base, 0, [])
    for stamp in stamps:
        seconds = int(stamp) * time_base - pace.first_seconds
        shown = frame_at(seconds, pace.rate) / pace.rate
        assert abs(shown - seconds) <= 1 / (2 * pace.rate)
        assert frame_at(seconds, pace.rate) < pace.frame_count


def fitted(seconds: int, max_bytes: int) -> Fit | None:
    return fit_video(
        width=1280,
        height=720,
        frame_rate=Fraction(25),
        seconds=Fraction(seconds),
        has_sound=True,
        max_bytes=max_bytes,
    )


def test_a_fit_lowers_the_rate_first_and_the_size_only_then() -> None:
    roomy = fitted(10, 7_000_000)
    tight = fitted(120, 7_000_000)
    assert roomy is not None and tight is not None
    assert (roomy.width, roomy.height) == (1280, 720)
    assert tight.width < 1280 and tight.width % 2 == 0 and tight.height % 2 == 0
    assert abs(tight.width / tight.height - 16 / 9) < 0.03
    assert (tight.bit_rate + tight.sound_bit_rate) * 120 / 8 <= 7_000_000


def test_what_cannot_be_decent_is_not_fitted() -> None:
    assert fitted(600, 500_000) is None
    assert fitted(10, 0) is None
