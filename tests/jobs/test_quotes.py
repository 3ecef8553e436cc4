"""One table of what every endpoint asks for the same media, made without buying or sending."""

from __future__ import annotations

import json
from dataclasses import replace
from decimal import Decimal
from fractions import Fraction
from pathlib import Path

import pytest

from viseme.endpoints import ENDPOINTS
from viseme.jobs.quotes import (
    VendorQuote,
    quotes,
    quotes_everywhere,
    quotes_json,
    quotes_table,
    result_text,
)
from viseme.jobs.wish import Wish, make_plan
from viseme.model import Clip, Recording, RemoteMedia, Sound, Speech, SpokenText, Timing
from viseme.settings import Settings

CLIP = Clip(
    path=Path("clip.mp4"),
    digest="c" * 64,
    size_bytes=1_000_000,
    container="mp4",
    codec="h264",
    pixel_format="yuv420p",
    width=1280,
    height=720,
    frame_rate=Fraction(25),
    frame_count=100,
)
STILL = replace(CLIP, container="png", codec="png", frame_count=1, is_still=True)
SPEECH = Recording(Path("speech.wav"), "s" * 64, 1, "wav", Sound("pcm_s16le", 48000, 1, 5 * 48000))
TEXT = SpokenText("Hello there, this is a sentence.", "Emily")


def by_endpoint(footage: Clip | RemoteMedia | None, speech: Speech) -> dict[str, VendorQuote]:
    found = quotes_everywhere(footage, speech, {})
    assert [entry.endpoint.id for entry in found] == list(ENDPOINTS)
    return {entry.endpoint.id: entry for entry in found}


def test_every_endpoint_is_quoted_with_what_it_would_make() -> None:
    found = by_endpoint(CLIP, SPEECH)
    assert found["fal-pixverse"].quote.most_usd == Decimal("0.20")  # 5 s at $0.04
    for entry in found.values():
        assert entry.timing is not None
        known = entry.quote.most_usd is not None
        assert known or entry.quote.unknown_reason
    sync = found["fal-sync"].timing  # cut_off: as long as the clip, which is the shorter one
    assert sync is not None
    assert sync.frame_count_most == 100


@pytest.mark.parametrize("endpoint_id", [*ENDPOINTS])
def test_it_says_what_a_plan_of_each_endpoint_says(endpoint_id: str) -> None:
    planned = make_plan(Wish(endpoint_id, {}, CLIP, SPEECH), Settings())
    entry = by_endpoint(CLIP, SPEECH)[endpoint_id]
    assert entry.quote == planned.purchase.quote
    assert entry.timing == planned.purchase.timing
    assert entry in quotes(planned, {})


def test_models_that_cannot_speak_say_so_and_the_others_are_quoted() -> None:
    found = by_endpoint(CLIP, TEXT)
    for endpoint_id in ("fal-sync", "fal-pipio"):
        assert found[endpoint_id].timing is None
        assert "no voice of its own" in str(found[endpoint_id].quote.unknown_reason)
    assert found["fal-pixverse"].quote.most_usd is not None


def test_a_still_is_priced_where_it_is_taken_and_refused_elsewhere() -> None:
    found = by_endpoint(STILL, SPEECH)
    assert found["fal-pipio"].quote.most_usd is not None
    refused = {name for name, entry in found.items() if entry.timing is None}
    assert refused == set(ENDPOINTS) - {"fal-pipio"}
    for name in refused:
        assert "would refuse it" in str(found[name].quote.unknown_reason)


def test_settings_of_assumed_values_count() -> None:
    longer = quotes_everywhere(CLIP, SPEECH, {"pixverse_length": "clip"})
    assert longer[0].quote.most_usd == Decimal("0.16")  # the clip's 4 s


def test_the_table_has_a_line_for_each_endpoint_with_columns_that_stand_in_line() -> None:
    lines = quotes_table(quotes_everywhere(CLIP, TEXT, {})).splitlines()
    sellers = [("MODEL", "VENDOR")]
    sellers += [(endpoint.model, endpoint.vendor.label) for endpoint in ENDPOINTS.values()]
    for line, (model, vendor) in zip(lines, sellers, strict=True):
        assert " ".join(line.split()).startswith(f"{model} {vendor} ")
    starts = [lines[0].index(name) for name in ("VENDOR", "RESULT", "PRICE", "BECAUSE")]
    for line in lines[1:]:
        assert all(line[start - 1] == " " and line[start] != " " for start in starts), line
    assert "$0.24 to" in lines[1]
    assert "length unknown, 1280x720" in lines[1]
    assert "unknown" in lines[2]
    assert "no voice of its own" in lines[2]


def test_the_result_is_told_in_frames_seconds_and_pixels() -> None:
    timing = Timing(125, 125, Fraction(25), 512, 256, "")
    assert result_text(timing) == "125 frames, 5.00 s, 512x256"
    longer = replace(timing, frame_count_most=150)
    assert result_text(longer) == "125 to 150 frames, 5.00 to 6.00 s, 512x256"
    assert result_text(Timing(None, None, None, None, None, "")) == "length unknown"
    assert result_text(None) == "-"


def test_the_document_has_money_as_text_and_no_timing_where_an_endpoint_refuses() -> None:
    document = json.loads(json.dumps(quotes_json(quotes_everywhere(CLIP, TEXT, {}))))
    pixverse, sync, *_ = document["quotes"]
    assert pixverse["vendor"] == "fal"
    assert pixverse["least_usd"] == "0.24"
    assert pixverse["timing"]["frame_rate"] == "25"
    assert sync["least_usd"] is None
    assert sync["basis"] is None
    assert sync["timing"] is None
    assert "no voice of its own" in sync["unknown_reason"]
