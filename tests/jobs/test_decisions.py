"""What is decided without any I/O: what to do in doubt, caps, how media travel, what differs."""

from __future__ import annotations

from dataclasses import replace
from decimal import Decimal
from fractions import Fraction
from pathlib import Path

import pytest

from viseme.endpoints import ENDPOINTS
from viseme.errors import BudgetExceeded, InputError, VendorError
from viseme.home import Home
from viseme.jobs.budget import Caps, check_budget
from viseme.jobs.destination import live
from viseme.jobs.prepare import Medium, body_limit_bytes, choose_carry
from viseme.jobs.receipt import (
    error_json,
    quote_json,
    receipt,
    time_text,
    timing_from_json,
    timing_json,
)
from viseme.jobs.reconcile import Verdict, decide
from viseme.jobs.results import differences
from viseme.jobs.wish import check_carry, check_take
from viseme.jobs.workplace import LEAST_RESULT_CAP_BYTES, MOST_BYTES_A_SECOND, fetch_rules
from viseme.ledger import DaySpend, Ledger, NewItem, NewJob, State
from viseme.media import Conformed
from viseme.model import Carry, Clip, InlineMedia, Quote, Timing, Vendor
from viseme.services.base import Acceptance, Finding
from viseme.settings import Settings

ONE = (Acceptance({"request_id": "a"}),)
TWO = (*ONE, Acceptance({"request_id": "b"}))


@pytest.mark.parametrize(
    ("finding", "seconds_since_sent", "verdict"),
    [
        pytest.param(Finding(ONE), 0, Verdict.FOUND, id="one match at once"),
        pytest.param(Finding(ONE), 1e9, Verdict.FOUND, id="one match late"),
        pytest.param(Finding(ONE, True), 0, Verdict.FOUND, id="a match beats proof of absence"),
        pytest.param(Finding(TWO), 0, Verdict.UNKNOWN, id="two matches"),
        pytest.param(Finding(TWO, True), 1e9, Verdict.UNKNOWN, id="two matches at a sure vendor"),
        pytest.param(Finding(()), 59.9, Verdict.NOT_YET, id="none inside the window"),
        pytest.param(Finding(()), 60, Verdict.UNKNOWN, id="none after it"),
        pytest.param(Finding((), True), 59.9, Verdict.NOT_YET, id="proof inside the window"),
        pytest.param(Finding((), True), 60, Verdict.ABSENT, id="proof after it"),
        pytest.param(None, 59.9, Verdict.NOT_YET, id="no list inside the window"),
        pytest.param(None, 60, Verdict.UNKNOWN, id="no list after it"),
        pytest.param(Finding((), True), -5, Verdict.NOT_YET, id="a clock that went back"),
    ],
)
def test_a_job_in_doubt_is_sent_again_only_on_proof(
    finding: Finding | None, seconds_since_sent: float, verdict: Verdict
) -> None:
    decision = decide(finding, seconds_since_sent=seconds_since_sent, visibility_seconds=60)
    assert decision.verdict is verdict
    assert decision.reason
    assert (decision.acceptance is not None) == (verdict is Verdict.FOUND)


@pytest.mark.parametrize(
    ("doubt_count", "verdict"), [(0, Verdict.UNKNOWN), (1, Verdict.UNKNOWN), (2, Verdict.FOUND)]
)
def test_several_matches_are_found_where_as_many_of_ours_are_in_doubt(
    doubt_count: int, verdict: Verdict
) -> None:
    decision = decide(
        Finding(TWO), seconds_since_sent=0, visibility_seconds=60, doubt_count=doubt_count
    )
    assert decision.verdict is verdict


def quote(least: str, most: str) -> Quote:
    return Quote(Decimal(least), Decimal(most), "by the second")


UNKNOWN = Quote.unknown("no price is published")


def day(most: str, unknown_count: int = 0) -> DaySpend:
    return DaySpend(Decimal(0), Decimal(most), unknown_count)


@pytest.mark.parametrize(
    ("asked", "caps", "spent"),
    [
        pytest.param(quote("5", "9"), Caps(), "100", id="no cap"),
        pytest.param(UNKNOWN, Caps(), "0", id="unknown without a cap"),
        pytest.param(quote("1", "2"), Caps(job_usd=Decimal(2)), "50", id="exactly the cap"),
        pytest.param(quote("1", "2"), Caps(vendor_day_usd=Decimal(5)), "3", id="exactly the day"),
        pytest.param(
            UNKNOWN, Caps(job_usd=Decimal(1), allow_unknown_price=True), "0", id="unknown allowed"
        ),
        pytest.param(quote("0", "0"), Caps(job_usd=Decimal(0)), "0", id="free under a cap of 0"),
    ],
)
def test_what_fits_the_caps_may_be_spent(asked: Quote, caps: Caps, spent: str) -> None:
    check_budget(asked, caps, Vendor.FAL, day(spent))


@pytest.mark.parametrize(
    ("asked", "caps", "spent", "field", "value", "limit"),
    [
        pytest.param(
            quote("1", "2.01"),
            Caps(job_usd=Decimal(2)),
            "0",
            "max_usd_per_job",
            "2.01",
            "2.00",
            id="the most counts",
        ),
        pytest.param(
            quote("1", "2"),
            Caps(vendor_day_usd=Decimal("4.99")),
            "3",
            "max_usd_per_vendor_day",
            "5.00",
            "4.99",
            id="the day so far counts",
        ),
        pytest.param(
            quote("0.01", "0.01"),
            Caps(job_usd=Decimal(0)),
            "0",
            "max_usd_per_job",
            "0.01",
            "0.00",
            id="a cap of 0",
        ),
        pytest.param(
            UNKNOWN,
            Caps(job_usd=Decimal(9), job_cap_name="--max-usd"),
            "0",
            "--max-usd",
            "unknown",
            "9.00",
            id="unknown counts as over, by the name of the cap",
        ),
        pytest.param(
            UNKNOWN,
            Caps(vendor_day_usd=Decimal(9)),
            "0",
            "max_usd_per_vendor_day",
            "unknown",
            "9.00",
            id="unknown counts as over the day's",
        ),
    ],
)
def test_what_is_over_a_cap_names_cap_amount_and_limit(
    asked: Quote, caps: Caps, spent: str, field: str, value: str, limit: str
) -> None:
    with pytest.raises(BudgetExceeded) as caught:
        check_budget(asked, caps, Vendor.FAL, day(spent))
    problem = caught.value
    assert problem.field == field
    assert value in str(problem.value)
    assert limit in str(problem.limit)
    assert problem.remedy


def test_a_day_with_a_job_of_unknown_price_is_over_its_cap_unless_such_are_allowed() -> None:
    asked, caps = quote("1", "2"), Caps(vendor_day_usd=Decimal(9))
    with pytest.raises(BudgetExceeded) as caught:
        check_budget(asked, caps, Vendor.FAL, day("1", unknown_count=1))
    assert caught.value.value == "unknown"
    assert "today (UTC)" in caught.value.message
    check_budget(asked, replace(caps, allow_unknown_price=True), Vendor.FAL, day("7", 1))
    check_budget(asked, Caps(job_usd=Decimal(2)), Vendor.FAL, day("7", 1))


def medium(role: str, size_bytes: int) -> Medium:
    return Medium(role, file=Conformed(Path(f"{role}.mp4"), "video/mp4", size_bytes, ()))


def exact_body(skeleton_bytes: int, *media: Medium) -> int:
    inline = [entry.inline for entry in media]
    return skeleton_bytes + sum(entry.uri_bytes for entry in inline if entry is not None)


def test_fal_takes_data_uris_up_to_the_very_byte_of_the_setting() -> None:
    media = [medium("video", 3000), medium("audio", 1000)]
    fits = Settings(inline_body_bytes=exact_body(200, *media))
    tight = Settings(inline_body_bytes=exact_body(200, *media) - 1)
    endpoint = ENDPOINTS["fal-sync"]
    assert choose_carry(endpoint, Carry.AUTO, 200, media, fits) is Carry.INLINE
    assert choose_carry(endpoint, Carry.AUTO, 200, media, tight) is Carry.UPLOAD


@pytest.mark.parametrize(
    ("endpoint_id", "carry", "size_bytes", "chosen"),
    [
        ("fal-sync", Carry.AUTO, 10**9, Carry.UPLOAD),
        ("fal-sync", Carry.INLINE, 10**9, Carry.INLINE),
        ("fal-sync", Carry.UPLOAD, 10, Carry.UPLOAD),
        ("aimlapi-pixverse", Carry.AUTO, 10**9, Carry.INLINE),
        ("runware-pixverse", Carry.AUTO, 10, Carry.UPLOAD),
    ],
)
def test_auto_is_what_the_vendor_has_and_a_choice_is_kept(
    endpoint_id: str, carry: Carry, size_bytes: int, chosen: Carry
) -> None:
    media = [medium("video", size_bytes)]
    assert choose_carry(ENDPOINTS[endpoint_id], carry, 100, media, Settings()) is chosen


def test_a_reference_takes_no_room_in_the_body() -> None:
    media = [Medium("video", reference="https://example.com/a.mp4"), medium("audio", 30)]
    settings = Settings(inline_body_bytes=exact_body(100, media[1]))
    assert choose_carry(ENDPOINTS["fal-sync"], Carry.AUTO, 100, media, settings) is Carry.INLINE


def test_only_a_vendor_without_uploads_limits_the_body() -> None:
    settings = Settings(aimlapi_body_bytes=200_000)
    limits = {name: body_limit_bytes(entry, settings) for name, entry in ENDPOINTS.items()}
    assert {name for name, limit in limits.items() if limit is not None} == {"aimlapi-pixverse"}
    assert (limits["aimlapi-pixverse"] or 0) < 200_000


@pytest.mark.parametrize(
    ("endpoint_id", "carry"),
    [("aimlapi-pixverse", Carry.UPLOAD), ("runware-pixverse", Carry.INLINE)],
)
def test_a_way_that_the_vendor_lacks_is_refused_with_those_it_has(
    endpoint_id: str, carry: Carry
) -> None:
    with pytest.raises(InputError) as caught:
        check_carry(ENDPOINTS[endpoint_id], carry)
    assert caught.value.field == "--carry"
    assert carry.value not in str(caught.value.limit)
    assert "auto" in str(caught.value.limit)


@pytest.mark.parametrize("take", [0, -1])
def test_takes_are_numbered_from_1(take: int) -> None:
    with pytest.raises(InputError, match="from 1"):
        check_take(take)


def result(frame_count: int = 10, rate: int = 25, width: int = 96, height: int = 64) -> Clip:
    return Clip(
        path=Path("r.mp4"),
        digest="d",
        size_bytes=1,
        container="mp4",
        codec="h264",
        pixel_format="yuv420p",
        width=width,
        height=height,
        frame_rate=Fraction(rate),
        frame_count=frame_count,
    )


def timing(
    least: int | None = 10,
    most: int | None = 10,
    rate: Fraction | None = Fraction(25),
    size: tuple[int, int] | None = (96, 64),
) -> Timing:
    width, height = size or (None, None)
    return Timing(least, most, rate, width, height, "by the clip")


@pytest.mark.parametrize(
    ("got", "predicted", "words"),
    [
        pytest.param(result(), timing(), [], id="as predicted"),
        pytest.param(result(11), timing(), [], id="one frame more"),
        pytest.param(result(9), timing(), [], id="one frame less"),
        pytest.param(result(12), timing(), ["12 frames, not 10"], id="two frames more"),
        pytest.param(result(5), timing(10, 20), ["5 frames, not 10 to 20"], id="below a range"),
        pytest.param(result(15), timing(10, 20), [], id="inside a range"),
        pytest.param(result(999), timing(None, None), [], id="nothing predicted"),
        pytest.param(result(12, rate=30), timing(), ["30 fps, not 25"], id="another rate"),
        pytest.param(
            result(5, rate=30), timing(), ["30 fps", "lasts 0.17 s, not 0.40"], id="rate and length"
        ),
        pytest.param(result(), timing(rate=None, size=None), [], id="rate and size unknown"),
        pytest.param(result(width=48), timing(), ["48x64, not 96x64"], id="another size"),
        pytest.param(
            result(50, width=48), timing(), ["50 frames", "48x64"], id="length and size at once"
        ),
    ],
)
def test_a_result_that_is_not_as_predicted_is_told(
    got: Clip, predicted: Timing, words: list[str]
) -> None:
    found = differences(got, predicted)
    assert len(found) == len(words)
    for word, text in zip(words, found, strict=True):
        assert word in text


@pytest.mark.parametrize(
    "predicted",
    [
        timing(),
        timing(10, 20, Fraction(30000, 1001)),
        timing(None, None, None, None),
        Timing(1, 1, Fraction(1), 2, 2, "said so", is_assumed=True),
    ],
)
def test_a_prediction_survives_its_journey_through_json(predicted: Timing) -> None:
    assert timing_from_json(timing_json(predicted)) == predicted


def test_a_missing_prediction_predicts_nothing() -> None:
    assert timing_from_json(None) == Timing(None, None, None, None, None, "")


def test_amounts_leave_as_strings_and_times_as_utc() -> None:
    assert quote_json(quote("0.10", "0.25"))["most_usd"] == "0.25"
    assert quote_json(UNKNOWN) == {
        "least_usd": None,
        "most_usd": None,
        "basis": "",
        "unknown_reason": "no price is published",
    }
    assert time_text(1_795_000_000_000) == "2026-11-18T11:06:40Z"
    assert time_text(None) is None


def test_a_receipt_is_made_from_the_ledger_alone_and_keeps_signatures_out(tmp_path: Path) -> None:
    new = NewJob(
        fingerprint="f",
        endpoint="fal-sync",
        vendor=Vendor.FAL,
        destination="live",
        account="a",
        quote=quote("0.10", "0.25"),
        arguments={"video_url": "https://h.example/a.mp4?Signature=SIGNED", "sync_mode": "loop"},
        timing={"predicted": timing_json(timing())},
        warnings=("mind this",),
    )
    with Ledger.open(tmp_path / "ledger.sqlite3") as ledger:
        job, _ = ledger.claim(new)
        ledger.set_items(job.id, [NewItem(1, url="https://h.example/r.mp4?token=SIGNED")])
        made = receipt(ledger.get(job.id), ledger.items(job.id), Home(tmp_path))
    assert made["id"] == job.id
    assert made["state"] == State.PLANNED.value
    assert made["quote"]["most_usd"] == "0.25"
    assert made["arguments"]["sync_mode"] == "loop"
    assert made["warnings"] == ["mind this"]
    assert made["items"][0]["state"] == "READY"
    assert made["items"][0]["file"] is None
    assert "SIGNED" not in str(made)


def test_an_inline_file_is_counted_as_the_data_uri_that_it_becomes() -> None:
    for size in (0, 1, 2, 3, 4):
        uri = InlineMedia(Path("x"), "video/mp4", size).uri_bytes
        assert uri == len("data:video/mp4;base64,") + 4 * -(-size // 3)


def test_what_a_vendor_repeats_in_its_error_is_not_written_down() -> None:
    data = "A" * 200
    problem = VendorError(
        f"cannot read data:video/mp4;base64,{data}"
        " (Authorization: Key 0123abcd-4567-89ab:k-secret-0123456789abcdef)",
        value="https://cdn.example/a.mp4?X-Signature=canary",
        remedy="See https://user:canary@cdn.example/help.",
    )
    written = str(error_json(problem))
    assert "cannot read" in written
    for secret in (data, "k-secret", "canary"):
        assert secret not in written


def test_a_result_may_be_as_large_as_its_length_needs_unless_the_user_has_set_how_large() -> None:
    def most_bytes(settings: Settings) -> int:
        return fetch_rules(Vendor.FAL, live(settings), settings, Fraction(10)).max_bytes

    expected = LEAST_RESULT_CAP_BYTES + 10 * MOST_BYTES_A_SECOND
    assert most_bytes(Settings()) == expected
    for chosen in (expected // 2, 2 * expected, 10**12):
        assert most_bytes(Settings(max_download_bytes=chosen)) == chosen
