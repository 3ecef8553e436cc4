"""Lip Sync Prices: what every model would cost for the same media. Nothing is bought or sent."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Sequence
from dataclasses import replace
from functools import partial
from typing import Any

from comfy_api.latest import io

from ..viseme.endpoints import PIXVERSE_VOICES
from ..viseme.errors import InputError, VisemeError
from ..viseme.jobs.quotes import (
    VendorQuote,
    quotes_everywhere,
    quotes_json,
    quotes_table,
)
from ..viseme.jobs.signals import Progress, Step
from ..viseme.jobs.workplace import media_limits
from ..viseme.model import Clip, Recording, Speech, SpokenText
from ..viseme.money import usd_text
from . import _common, _host
from ._errors import in_node_words, node_error
from ._inputs import check_values, chosen_option
from ._media import Scratch, clip_input, sound_input
from ._runner import Execution, on_runner
from ._sockets import check_connected

_NODE_ID = "VisemeLipSyncPrices"
_SPEECH = _common.speech_input(
    ("Auto", *PIXVERSE_VOICES),
    "What a vendor's voice would say. Only PixVerse speaks text.",
)

_INPUTS = [
    io.MultiType.Input(
        "media",
        types=[io.Video, io.Image],
        optional=True,
        tooltip="The video, its frames (see source_fps), or one image that is to "
        "speak. It is measured, not sent.",
    ),
    io.Audio.Input(
        "audio",
        optional=True,
        tooltip="The speech. It is measured, not sent.",
    ),
    _SPEECH,
    _common.source_fps_input(),
]


class LipSyncPrices(io.ComfyNode):
    """A table of quotes; an output node, so that it runs alone."""

    @classmethod
    def define_schema(cls) -> io.Schema:
        return io.Schema(
            node_id=_NODE_ID,
            display_name="Lip Sync Prices",
            category=_common.CATEGORY,
            description="Compares what each model would cost at each vendor for your clip and "
            "speech, and what it would make of them, with its default options. Nothing is bought, "
            "nothing leaves this machine, and no key is needed.",
            search_aliases=[*_common.ALIASES, "price", "cost", "quote", "estimate", "compare"],
            inputs=_INPUTS,
            outputs=[
                io.String.Output(
                    "table",
                    tooltip="A line for each model and vendor: what would come back, least and "
                    "most US dollars, and how they follow from the vendor's price, or why they are "
                    "not known.",
                ),
                io.String.Output(
                    "json",
                    tooltip="The same as JSON, as `viseme quote --json` writes it, with the "
                    "predicted timing.",
                ),
            ],
            hidden=_common.hidden(),
            is_output_node=True,
        )

    @classmethod
    def validate_inputs(cls, **values: Any) -> bool:
        try:
            check_values(_INPUTS, values)
            check_connected(values, "media", "a VIDEO or IMAGE")
            speech = values.get("speech") or {}
            if speech.get("speech") != _common.TEXT:
                check_connected(values, "audio", "AUDIO, or set speech to text")
            elif speech.get("text", "") is not None:  # a linked text is not known yet
                _check_text(speech.get("text", ""))
        except VisemeError as problem:
            raise node_error(problem) from problem
        return True

    @classmethod
    async def execute(
        cls,
        media: Any = None,
        audio: Any = None,
        speech: Any = None,
        source_fps: float = _common.DEFAULT_FPS,
        **_extra: Any,
    ) -> io.NodeOutput:
        try:
            chosen = chosen_option("speech", speech, _host.asked(cls.hidden, "speech"), _SPEECH)
            spoken = _spoken(chosen)
        except InputError as problem:
            raise node_error(problem) from problem
        work = partial(_quotes, media, audio, spoken, source_fps)
        heading, found = await on_runner(work, cls.hidden.unique_id)
        table = f"{heading}\n\n{quotes_table(found)}"
        document = json.dumps(quotes_json(found), indent=2)
        return io.NodeOutput(table, document, ui={"text": (table,)})


def _check_text(text: str) -> None:
    if text.strip():
        return
    raise InputError(
        "speech is text, and there is none.",
        field="speech.text",
        value=repr(text[:20]),
        limit="some words",
        remedy="Write what is to be spoken, or choose connected audio.",
    )


def _spoken(chosen: dict[str, Any]) -> SpokenText | None:
    if chosen["speech"] != _common.TEXT:
        return None
    text, voice = chosen.get("text") or "", chosen.get("voice") or "Auto"
    _check_text(text)
    return SpokenText(text, None if voice == "Auto" else voice)


async def _quotes(
    media: Any,
    audio: Any,
    spoken: SpokenText | None,
    source_fps: float,
    execution: Execution,
) -> tuple[str, Sequence[VendorQuote]]:
    """A line about what was measured, and the quotes in the words of the node."""
    execution.report(Progress(Step.PROBE, "reading the media"))
    place = await asyncio.to_thread(_host.workplace)
    scratch, limits, cancel = Scratch(place.home), media_limits(place), execution.cancel
    try:
        source = await asyncio.to_thread(clip_input, media, source_fps, scratch, limits, cancel)
        speech: Speech | None = spoken
        if speech is None:
            speech = (await asyncio.to_thread(sound_input, audio, cancel, limits)).recording
    finally:
        await asyncio.to_thread(scratch.remove)
    found = quotes_everywhere(source.clip, speech, place.settings.assumed)
    execution.say_last(_essence(found))
    return _heading(source.clip, speech), tuple(_in_node_words(entry) for entry in found)


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
        (entry.quote.least_usd, entry.quote.most_usd, entry.endpoint.id)
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
