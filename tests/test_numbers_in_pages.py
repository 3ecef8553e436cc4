"""Sizes, times and prices in the README and the help pages are those of the code."""

from __future__ import annotations

import re
from decimal import Decimal
from pathlib import Path

import pytest

from viseme.endpoints import endpoint
from viseme.endpoints._pixverse import MOST_CHARACTERS, VIDEO_RULES
from viseme.endpoints.fal_pipio import PRICE_CLASSES
from viseme.endpoints.fal_pixverse import PRICE_USD_PER_100_CHARACTERS, PRICE_USD_PER_SECOND
from viseme.endpoints.runware_pixverse import PRICE_USD_PER_SECOND as RUNWARE_USD_PER_SECOND
from viseme.jobs.destination import CHILD_IDLE_SECONDS
from viseme.settings import Settings

ROOT = Path(__file__).parent.parent
PAGES = {page.stem: page for page in (ROOT / "web" / "docs").glob("*.md")}
PAGES["README"] = ROOT / "README.md"
PIXVERSE, SYNC, PIPIO = "VisemePixverseLipSync", "VisemeSyncLipSync2Pro", "VisemePipioLipSync"
PRICES, COLLECT, EDITS = "VisemeLipSyncPrices", "VisemeCollectLipSyncJob", "VisemeEditRanges"
LIP_SYNCS = (PIXVERSE, SYNC, PIPIO)
# fal's own price of Lipsync 2 a minute, from which the upper end of another price is worked out.
ELSEWHERE_USD = Decimal(3)


def _assumed(endpoint_id: str, name: str) -> Decimal:
    (found,) = (one for one in endpoint(endpoint_id).assumptions if one.name == name)
    return Decimal(found.default)


SYNC_USD = [_assumed("fal-sync", f"fal_sync_{end}_usd_per_second") for end in ("least", "most")]
PIPIO_USD = [price for _, price in PRICE_CLASSES]


def _days(seconds: float) -> str:
    days = seconds / 86400
    return f"{days:g} day" if days == 1 else f"{days:g} days"


def _io_days() -> str:
    """How long fal keeps a request, as the option says that turns it off."""
    field = endpoint("fal-sync").arguments_model.model_fields["store_io"]
    (days,) = re.findall(r"\((\d+ days)\)", field.description or "")
    return str(days)


def _shown_seconds(width: int, height: int) -> float:
    """How long a cut of 25 frames per second may be for the player of Edit Ranges."""
    text = (ROOT / "nodes" / "_cut.py").read_text("utf-8")
    (pixels,) = re.findall(r"^_MOST_SHOWN_PIXELS = ([\d_]+)$", text, re.M)
    return int(pixels) / (width * height * 25)


def _facts() -> list[tuple[str, str]]:
    """Each page with words that it has to have."""
    settings = Settings()
    inline = f"under {settings.inline_body_bytes / 1024**2:g} MiB"
    uploads = f"for {_days(settings.fal_upload_lifetime_seconds)}."
    results = _days(settings.fal_result_lifetime_seconds)
    found = []
    for page in (*LIP_SYNCS, "README"):
        found += [(page, inline), (page, uploads), (page, f"for {results} (")]
        found.append((page, f"the answer for {_io_days()}"))
    for page in LIP_SYNCS:
        found += [(page, f"request and answer for {_io_days()}"), (page, f"by default {results}")]
    found.append((COLLECT, f"{results} by default"))
    found.append(("README", f"after {int(CHILD_IDLE_SECONDS) // 60} idle minutes"))

    second = f"${PRICE_USD_PER_SECOND} per second of the result"
    by_text = f"${PRICE_USD_PER_100_CHARACTERS} per 100 characters"
    found += [(page, words) for page in (PIXVERSE, PRICES) for words in (second, by_text)]
    by_speech = f"${RUNWARE_USD_PER_SECOND} per second of speech"
    found += [(page, by_speech) for page in (PIXVERSE, PRICES)]
    found += [
        (page, "${} to ${} per second of the result".format(*SYNC_USD)) for page in (SYNC, PRICES)
    ]
    (first, *others), (price, *higher) = [side for side, _ in PRICE_CLASSES], PIPIO_USD
    found.append((PIPIO, f"${price} per second of the result up to {first}p"))
    found += [(PIPIO, f"${usd} up to {side}p") for usd, side in zip(higher, others, strict=True)]
    found.append((PRICES, "${}, ${} or ${} per second of the result".format(*PIPIO_USD)))

    assert VIDEO_RULES.warn_seconds is not None
    assert VIDEO_RULES.warn_bytes is not None
    limits = f"{VIDEO_RULES.warn_seconds} seconds, {VIDEO_RULES.warn_bytes // 10**6} MB, "
    limits += f"{VIDEO_RULES.warn_longest_side} pixels at the longest side and "
    found.append((PIXVERSE, f"{limits}{MOST_CHARACTERS} characters as the most"))
    found.append((EDITS, f"about {round(_shown_seconds(1920, 1080), -1):.0f} seconds of 1080p"))
    found.append((EDITS, f"{_shown_seconds(512, 512) / 60:.1f} minutes of 512x512"))
    return found


@pytest.mark.parametrize(("page", "words"), _facts())
def test_a_page_has_the_number_of_the_code(page: str, words: str) -> None:
    assert words in PAGES[page].read_text("utf-8")


@pytest.mark.parametrize("page", sorted(PAGES))
def test_a_page_names_no_price_that_nobody_asks(page: str) -> None:
    asked = {PRICE_USD_PER_SECOND, PRICE_USD_PER_100_CHARACTERS, RUNWARE_USD_PER_SECOND}
    asked |= {*SYNC_USD, *PIPIO_USD, ELSEWHERE_USD}
    text = PAGES[page].read_text("utf-8")
    assert {Decimal(amount) for amount in re.findall(r"\$(\d+(?:\.\d+)?)", text)} <= asked
