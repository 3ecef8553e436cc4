"""Lip Sync Prices: what every model would cost for the same media. Nothing is bought or sent."""

from __future__ import annotations

from functools import partial
from typing import Any

from comfy_api.latest import io

from ..viseme.endpoints import PIXVERSE_VOICES
from ..viseme.errors import InputError, VisemeError
from ..viseme.model import SpokenText
from . import _common, _host
from ._errors import node_error
from ._inputs import check_values, chosen_option
from ._runner import on_runner
from ._sockets import check_connected, check_text

_NODE_ID = "VisemeLipSyncPrices"
_SPEECH = _common.speech_input(
    ("Auto", *PIXVERSE_VOICES),
    "what the audio input gets",
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
            asked = _host.asked(cls.hidden, "speech")
            speech = chosen_option("speech", values.get("speech"), asked, _SPEECH)
            if speech["speech"] != _common.TEXT:
                check_connected(values, "audio", "AUDIO, or set speech to text")
            elif speech.get("text", "") is not None:  # a linked text is not known yet
                check_text(speech.get("text", ""))
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
        # Media libraries are for those who run it, not for everybody who starts ComfyUI.
        from ._media import hold
        from ._prices import prices

        work = partial(prices, hold(media), audio, spoken, source_fps)
        table, document = await on_runner(work, cls.hidden.unique_id)
        return io.NodeOutput(table, document, ui={"text": (table,)})


def _spoken(chosen: dict[str, Any]) -> SpokenText | None:
    if chosen["speech"] != _common.TEXT:
        return None
    text, voice = chosen.get("text") or "", chosen.get("voice") or "Auto"
    check_text(text)
    return SpokenText(text, None if voice == "Auto" else voice)
