"""The work of Lip Sync Prices: measure the media, and quote every endpoint for them."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Sequence
from dataclasses import replace
from typing import Any

from ..viseme.jobs.quotes import VendorQuote, quotes_everywhere, quotes_json, quotes_table
from ..viseme.jobs.signals import Progress, Step
from ..viseme.jobs.workplace import media_guard
from ..viseme.model import Clip, Recording, Speech, SpokenText
from ..viseme.money import usd_text
from . import _host
from ._errors import in_node_words
from ._media import Scratch, clip_input, sound_input
from ._runner import Execution


async def prices(
    media: Any,
    audio: Any,
    spoken: SpokenText | None,
    source_fps: float,
    execution: Execution,
) -> tuple[str, str]:
    """The table, after a line about what was measured, and the same as JSON."""
    execution.report(Progress(Step.PROBE, "reading the media"))
    place = await asyncio.to_thread(_host.workplace)
    scratch, guard, cancel = Scratch(place.home), media_guard(place), execution.cancel
    try:
        source = await asyncio.to_thread(clip_input, media, source_fps, scratch, guard, cancel)
        speech: Speech | None = spoken
        if speech is None:
            speech = (await asyncio.to_thread(sound_input, audio, cancel, guard.limits)).recording
    finally:
        await asyncio.to_thread(scratch.remove)
    quoted = quotes_everywhere(source.clip, speech, place.settings.assumed)
    found = [_in_node_words(entry) for entry in quoted]
    execution.say_last(_essence(found))
    table = f"{_heading(source.clip, speech)}\n\n{quotes_table(found)}"
    return table, json.dumps(quotes_json(found), indent=2)


def _in_node_words(entry: VendorQuote) -> VendorQuote:
    reason = entry.quote.unknown_reason
    if reason is None:
        return entry
    return replace(entry, quote=replace(entry.quote, unknown_reason=in_node_words(reason)))


def _heading(clip: Clip, speech: Speech) -> str:
    size = f"{clip.width}x{clip.height}"
    footage = f"one image of {size}"
    if not clip.is_still:
        rate = f"{float(clip.frame_rate):g} fps"
        footage = f"{clip.frame_count} frames of {size} at {rate}, {float(clip.seconds):.2f} s"
    said = f"{float(speech.seconds):.2f} s" if isinstance(speech, Recording) else ""
    if isinstance(speech, SpokenText):
        said = f"{len(speech.text)} characters of text"
    return f"Clip: {footage}. Speech: {said}."


def _essence(found: Sequence[VendorQuote]) -> str:
    """One short line: from where to where the prices go; a node has little room."""
    known = [
        (entry.quote.least_usd, entry.quote.most_usd, _seller(entry))
        for entry in found
        if entry.quote.least_usd is not None and entry.quote.most_usd is not None
    ]
    if not known:
        return "no price is known; the table says why"
    least, _, cheapest = min(known)
    _, most, dearest = max(known, key=lambda each: each[1])
    text = f"{usd_text(least)} ({cheapest}) to {usd_text(most)} ({dearest})"
    unknown = len(found) - len(known)
    return f"{text}, {unknown} unknown" if unknown else text


def _seller(entry: VendorQuote) -> str:
    """An endpoint as the page knows it, where ids of endpoints are not to be seen."""
    return f"{entry.endpoint.model} at {entry.endpoint.vendor.label}"
