"""What comes back and what it costs, worked by hand from the vendors' pages.

The clip is 100 frames at 25 a second (4 s), 1280x720; the speech is 5 s.
"""

from collections.abc import Callable
from dataclasses import replace
from decimal import Decimal
from fractions import Fraction
from typing import Any

import pytest

from viseme.edits import Addition, EditPlan, Removal
from viseme.endpoints import ENDPOINTS
from viseme.errors import InputError
from viseme.model import Clip, Quote, Recording, RemoteMedia, Speech, SpokenText, Timing

NTSC = Fraction(30000, 1001)
PIXVERSE = ("fal-pixverse", "aimlapi-pixverse", "runware-pixverse")
REMOTE = RemoteMedia("https://example.com/a.mp4")


def timed(
    endpoint_id: str,
    footage: Any,
    speech: Speech,
    given: dict[str, Any] | None = None,
    assumed: dict[str, str] | None = None,
) -> Timing:
    entry = ENDPOINTS[endpoint_id]
    return entry.predict(entry.order(given or {}, footage, speech), assumed or {})


def quoted(
    endpoint_id: str,
    footage: Any,
    speech: Speech,
    given: dict[str, Any] | None = None,
    assumed: dict[str, str] | None = None,
) -> Quote:
    entry = ENDPOINTS[endpoint_id]
    order = entry.order(given or {}, footage, speech)
    return entry.quote(order, entry.predict(order, assumed or {}), assumed or {})


def amounts(quote: Quote) -> tuple[str, str]:
    assert quote.least_usd is not None
    assert quote.most_usd is not None
    assert quote.basis
    assert quote.unknown_reason is None
    return str(quote.least_usd.normalize()), str(quote.most_usd.normalize())


def unknown(quote: Quote) -> str:
    assert quote.least_usd is None
    assert quote.most_usd is None
    assert quote.unknown_reason
    return quote.unknown_reason


# ---------------------------------------------------------------------------------- timing


@pytest.mark.parametrize(
    ("mode", "speech_seconds", "frame_count"),
    [
        # speech 5 s, clip 4 s: at 25 frames a second, 125 and 100 frames
        ("cut_off", "5", 100),
        ("loop", "5", 125),
        ("bounce", "5", 125),
        ("silence", "5", 125),
        ("remap", "5", 125),
        # speech 2.5 s: 62.5 frames, so 63
        ("cut_off", "2.5", 63),
        ("loop", "2.5", 63),
        ("bounce", "2.5", 63),
        ("silence", "2.5", 100),
        ("remap", "2.5", 63),
        ("remap", "4", 100),
    ],
)
def test_sync_modes_decide_the_length(
    mode: str,
    speech_seconds: str,
    frame_count: int,
    clip: Clip,
    record: Callable[[Fraction], Recording],
) -> None:
    timing = timed("fal-sync", clip, record(Fraction(speech_seconds)), {"sync_mode": mode})
    assert (timing.frame_count_least, timing.frame_count_most) == (frame_count, frame_count)
    assert timing.frame_rate == 25
    assert (timing.width, timing.height) == (1280, 720)
    assert mode in timing.basis


def test_frames_are_counted_with_exact_fractions(
    clip: Clip, record: Callable[[Fraction], Recording]
) -> None:
    film = replace(clip, frame_rate=NTSC, frame_count=300)
    # 5.005 s are exactly 150 frames at 30000/1001; a 48000th of a second more needs another.
    exact = Fraction("5.005")
    assert timed("fal-sync", film, record(exact)).frame_count_most == 150
    longer = record(exact + Fraction(1, 48000))
    assert timed("fal-sync", film, longer).frame_count_most == 151
    assert timed("fal-sync", film, record(exact)).seconds_most == exact


@pytest.mark.parametrize("endpoint_id", PIXVERSE)
def test_pixverse_is_assumed_to_last_as_long_as_the_speech(
    endpoint_id: str, clip: Clip, speech: Recording, record: Callable[[Fraction], Recording]
) -> None:
    by_default = timed(endpoint_id, clip, speech)
    assert (by_default.frame_count_most, by_default.is_assumed) == (125, True)
    assert "assumed" in by_default.basis
    by_setting = timed(endpoint_id, clip, speech, assumed={"pixverse_length": "clip"})
    assert (by_setting.frame_count_most, by_setting.is_assumed) == (100, True)
    equal = timed(endpoint_id, clip, record(Fraction(4)))
    assert (equal.frame_count_most, equal.is_assumed) == (100, False)


@pytest.mark.parametrize("endpoint_id", PIXVERSE)
def test_the_length_of_spoken_text_is_not_known_and_said_so(endpoint_id: str, clip: Clip) -> None:
    timing = timed(endpoint_id, clip, SpokenText("Hello"))
    assert (timing.frame_count_least, timing.frame_count_most) == (None, None)
    assert timing.seconds_most is None
    assert timing.frame_rate == 25
    assert timing.width == 1280
    assert "not known" in timing.basis
    as_clip = timed(endpoint_id, clip, SpokenText("Hello"), assumed={"pixverse_length": "clip"})
    assert as_clip.frame_count_most == 100


@pytest.mark.parametrize("endpoint_id", list(ENDPOINTS))
def test_nothing_is_predicted_of_a_clip_that_only_the_vendor_sees(
    endpoint_id: str, speech: Recording
) -> None:
    given = {"num_frames": 100} if endpoint_id == "fal-pipio" else {}
    timing = timed(endpoint_id, REMOTE, speech, given)
    assert (timing.frame_count_least, timing.frame_count_most) == (None, None)
    assert timing.frame_rate is None
    assert "not known" in timing.basis


@pytest.mark.parametrize(
    ("given", "frame_count", "rate", "size"),
    [
        ({}, 100, 25, (1280, 720)),
        ({"num_frames": 60}, 60, 25, (1280, 720)),
        ({"num_frames": 500}, 100, 25, (1280, 720)),
        ({"frame_rate": 30}, 120, 30, (1280, 720)),
        ({"frame_rate": 12}, 48, 12, (1280, 720)),
        ({"width": -2, "height": -2}, 100, 25, (640, 360)),
        ({"width": -3}, 100, 25, (426, 720)),  # 1280 / 3 = 426.67
        ({"width": 512, "height": 512}, 100, 25, (512, 512)),
        # two removals (10 and 20 frames), one bridge of 4, one jump cut, one addition of 8
        (
            {
                "edits": EditPlan((Addition(70, 8),), (Removal(10, 19, 4), Removal(40, 59, 0))),
            },
            82,
            25,
            (1280, 720),
        ),
        ({"edits": EditPlan((Addition(50, 10),)), "num_frames": 50}, 60, 25, (1280, 720)),
    ],
)
def test_pipio_takes_frames_and_adds_edits(
    given: dict[str, Any],
    frame_count: int,
    rate: int,
    size: tuple[int, int],
    clip: Clip,
    speech: Recording,
) -> None:
    timing = timed("fal-pipio", clip, speech, given)
    assert (timing.frame_count_least, timing.frame_count_most) == (frame_count, frame_count)
    assert timing.frame_rate == rate
    assert (timing.width, timing.height) == size
    assert not timing.is_assumed


@pytest.mark.parametrize(
    ("given", "seconds", "frame_count"),
    [
        ({}, "5", 125),
        ({}, "5.01", 126),  # 125.25
        ({"frame_rate": 30}, "5.01", 151),  # 150.3
        ({"num_frames": 40}, "5", 40),
    ],
)
def test_a_still_lasts_as_long_as_the_speech(
    given: dict[str, Any],
    seconds: str,
    frame_count: int,
    still: Clip,
    record: Callable[[Fraction], Recording],
) -> None:
    timing = timed("fal-pipio", still, record(Fraction(seconds)), given)
    assert timing.frame_count_most == frame_count


# ---------------------------------------------------------------------------------- quotes


def test_fal_pixverse_costs_4_cents_a_second_of_output(
    clip: Clip, speech: Recording, record: Callable[[Fraction], Recording]
) -> None:
    assert amounts(quoted("fal-pixverse", clip, speech)) == ("0.2", "0.2")  # 5 s
    # 4.21 s are 105.25 frames, so 106: 4.24 s
    talk = record(Fraction("4.21"))
    assert amounts(quoted("fal-pixverse", clip, talk)) == ("0.1696", "0.1696")
    by_clip = quoted("fal-pixverse", clip, speech, assumed={"pixverse_length": "clip"})
    assert amounts(by_clip) == ("0.16", "0.16")  # 4 s
    assert "not known" in unknown(quoted("fal-pixverse", clip, REMOTE))
    assert "not known" in unknown(quoted("fal-pixverse", REMOTE, speech))


@pytest.mark.parametrize(
    ("characters", "assumed", "least", "most"),
    [
        # $0.24 for each started 100 characters; at most $0.04 x (characters / 4) s more
        (100, {}, "0.24", "1.24"),
        (101, {}, "0.48", "1.49"),
        (14, {}, "0.24", "0.38"),
        (100, {"fal_pixverse_text_price": "replaces"}, "0.24", "0.24"),
        # 100 characters at 25 a second are 4 s: $0.16
        (100, {"fal_pixverse_text_price": "adds"}, "0.4", "1.24"),
        (100, {"fal_pixverse_text_price": "adds", "pixverse_length": "clip"}, "0.4", "0.4"),
        (100, {"pixverse_length": "clip"}, "0.24", "0.4"),
        (
            14,
            {"fal_pixverse_text_price": "replaces", "fal_pixverse_text_rounding": "exact"},
            "0.0336",
            "0.0336",
        ),
        (100, {"voice_characters_per_second_least": "10"}, "0.24", "0.64"),
    ],
)
def test_text_at_fal_is_a_range_since_the_page_is_ambiguous(
    characters: int, assumed: dict[str, str], least: str, most: str, clip: Clip
) -> None:
    quote = quoted("fal-pixverse", clip, SpokenText("x" * characters), assumed=assumed)
    assert amounts(quote) == (least, most)
    assert "assumed" in quote.basis
    if "fal_pixverse_text_price" not in assumed:
        assert "does not say" in quote.basis


def test_fal_sync_is_a_range_that_says_it_is_assumed(clip: Clip, speech: Recording) -> None:
    # cut_off: 4 s x 0.067 and 4 s x 0.0835
    quote = quoted("fal-sync", clip, speech)
    assert amounts(quote) == ("0.268", "0.334")
    assert "assumed" in quote.basis
    assert "no price" in quote.basis
    # silence: 5 s
    longer = quoted("fal-sync", clip, speech, {"sync_mode": "silence"})
    assert amounts(longer) == ("0.335", "0.4175")
    assumed = {"fal_sync_least_usd_per_second": "0.08", "fal_sync_most_usd_per_second": "0.08"}
    assert amounts(quoted("fal-sync", clip, speech, assumed=assumed)) == ("0.32", "0.32")
    assert unknown(quoted("fal-sync", clip, REMOTE))


@pytest.mark.parametrize(
    ("width", "height", "least", "most"),
    [
        (1280, 720, "0.36", "0.36"),  # 4 s x 0.09, the class of 1080p assumed below it
        (1920, 1080, "0.36", "0.36"),
        (1922, 1082, "0.64", "0.64"),  # 4 s x 0.16
        (2560, 1440, "0.64", "0.64"),
        (3840, 2160, "1.44", "1.44"),  # 4 s x 0.36
        (1080, 1920, "0.36", "1.44"),  # upright: by the shorter side, or by the height
    ],
)
def test_pipio_costs_by_the_second_and_height(
    width: int, height: int, least: str, most: str, clip: Clip, speech: Recording
) -> None:
    sized = replace(clip, width=width, height=height)
    assert amounts(quoted("fal-pipio", sized, speech)) == (least, most)


def test_pipio_says_what_is_open_about_its_price(clip: Clip, speech: Recording) -> None:
    assert "assumed" in quoted("fal-pipio", clip, speech).basis
    upright = replace(clip, width=1080, height=1920)
    assert "not documented" in quoted("fal-pipio", upright, speech).basis
    for mode, amount in (("height", "1.44"), ("shorter_side", "0.36")):
        quote = quoted("fal-pipio", upright, speech, assumed={"pipio_price_class": mode})
        assert amounts(quote) == (amount, amount)
    huge = replace(clip, width=7680, height=4320)
    assert "2160p" in unknown(quoted("fal-pipio", huge, speech))
    assert amounts(quoted("fal-pipio", huge, speech, {"height": 1080, "width": 1920}))
    assert unknown(quoted("fal-pipio", REMOTE, speech, {"num_frames": 100}))


def test_runware_costs_by_the_second_of_audio_and_result(
    clip: Clip, speech: Recording, record: Callable[[Fraction], Recording]
) -> None:
    assert amounts(quoted("runware-pixverse", clip, speech)) == ("0.068", "0.068")  # 5 x 0.0136
    three = quoted("runware-pixverse", clip, speech, {"numberResults": 3})
    assert amounts(three) == ("0.204", "0.204")
    assert "3 results" in three.basis
    assert amounts(quoted("runware-pixverse", REMOTE, speech)) == ("0.068", "0.068")
    assert "not known" in unknown(quoted("runware-pixverse", clip, REMOTE))
    # a 48000th of a second costs a fraction of a millionth: rounded up
    talk = record(5 + Fraction(1, 48000))
    assert amounts(quoted("runware-pixverse", clip, talk)) == ("0.068001", "0.068001")


def test_text_at_runware_is_a_range_by_the_assumed_pace(clip: Clip) -> None:
    # 100 characters: 4 s at 25 a second, 25 s at 4 a second
    quote = quoted("runware-pixverse", clip, SpokenText("x" * 100))
    assert amounts(quote) == ("0.0544", "0.34")
    assert "assumed" in quote.basis


def test_aimlapi_publishes_no_price_and_none_is_guessed(clip: Clip, speech: Recording) -> None:
    for spoken in (speech, SpokenText("Hello"), REMOTE):
        assert "publishes no price" in unknown(quoted("aimlapi-pixverse", clip, spoken))


def test_an_assumption_takes_only_its_options(clip: Clip, speech: Recording) -> None:
    for name, value in (
        ("pixverse_length", "longest"),
        ("voice_characters_per_second_least", "0"),
        ("voice_characters_per_second_most", "fast"),
    ):
        with pytest.raises(InputError) as caught:
            quoted("fal-pixverse", clip, SpokenText("Hello"), assumed={name: value})
        assert caught.value.field == name
        assert caught.value.remedy


@pytest.mark.parametrize("endpoint_id", list(ENDPOINTS))
def test_a_quote_is_never_a_float(endpoint_id: str, clip: Clip, speech: Recording) -> None:
    quote = quoted(endpoint_id, clip, speech)
    for amount in (quote.least_usd, quote.most_usd):
        assert amount is None or isinstance(amount, Decimal)
