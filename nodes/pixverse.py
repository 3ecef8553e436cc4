"""PixVerse Lip Sync: one model, sold by three vendors."""

from __future__ import annotations

from typing import Any

from comfy_api.latest import io

from ..viseme.endpoints import PIXVERSE_VOICES, endpoint
from ..viseme.errors import InputError
from ..viseme.model import SpokenText, Vendor
from . import _common, _host
from ._checks import check_before_run
from ._errors import node_error
from ._inputs import chosen_option, given_by, option_inputs, options_of
from ._sockets import check_text

_ENDPOINTS = {
    Vendor.FAL.label: "fal-pixverse",
    Vendor.AIMLAPI.label: "aimlapi-pixverse",
    Vendor.RUNWARE.label: "runware-pixverse",
}
_OPTIONS = {label: options_of(endpoint(name).arguments_model) for label, name in _ENDPOINTS.items()}
_NODE_ID = "VisemePixverseLipSync"
_host.decode_when_consumed(_NODE_ID, _common.DECODED_OUTPUTS)

_SPEECH = _common.speech_input(
    ("Auto", *PIXVERSE_VOICES),
    "what the audio input gets (or audio_url names)",
    "What the vendor's voice says. Runware takes at most 200 characters; the others name no limit.",
)
_VENDOR = io.DynamicCombo.Input(
    "vendor",
    options=[
        io.DynamicCombo.Option(label, option_inputs(options)) for label, options in _OPTIONS.items()
    ],
    optional=True,
    tooltip="Who is asked and paid. The model is the same; prices, limits and options differ.",
)

_INPUTS = [
    *_common.media_inputs("The video, or its frames (see source_fps)."),
    _common.run_on_input(),
    _SPEECH,
    *_common.run_inputs(has_vendors=True),
    _VENDOR,
]


class PixverseLipSync(io.ComfyNode):
    """PixVerse LipSync at fal, AI/ML API or Runware. Runware may make several results at once."""

    @classmethod
    def define_schema(cls) -> Any:
        return io.Schema(
            node_id=_NODE_ID,
            display_name="PixVerse Lip Sync",
            category=_common.CATEGORY,
            description="Makes the mouth in a video say recorded or written speech, with PixVerse "
            "LipSync at fal, AI/ML API or Runware. In the sandbox it is free.",
            search_aliases=[*_common.ALIASES, "pixverse", "fal", "aimlapi", "runware"],
            inputs=list(_INPUTS),
            outputs=_common.result_outputs(is_list=True),
            hidden=_common.hidden(),
            has_intermediate_output=True,
        )

    @classmethod
    async def validate_inputs(cls, **values: Any) -> bool:
        speech, vendor = cls._chosen(values.get("speech"), values.get("vendor"))
        label = vendor["vendor"]
        text = None
        if speech["speech"] == _common.TEXT:
            # None where it is linked, and then not known yet.
            text = speech.get("text", "") if speech.get("text", "") is not None else "..."
        await check_before_run(
            _INPUTS,
            values,
            _ENDPOINTS[label],
            _OPTIONS[label],
            given=vendor,
            text=text,
        )
        return True

    @classmethod
    async def execute(
        cls,
        media: Any = None,
        audio: Any = None,
        speech: Any = None,
        vendor: Any = None,
        **others: Any,
    ) -> Any:
        from ._buy import LipSync, buy

        speech, vendor = cls._chosen(speech, vendor)
        text = None
        if speech["speech"] == _common.TEXT:
            text = _spoken(speech)
        label = vendor["vendor"]
        bought = await buy(
            LipSync(
                _ENDPOINTS[label],
                _common.run_options(_INPUTS, {**others, "speech": speech, "vendor": vendor}),
                media=media,
                audio=audio,
                text=text,
                given=given_by(_OPTIONS[label], vendor),
            ),
            cls.hidden,
        )
        return bought.list_output()

    @classmethod
    def _chosen(cls, speech: Any, vendor: Any) -> tuple[dict[str, Any], dict[str, Any]]:
        """The two that have options, as ``chosen_option`` gives them. Raises LipSyncError."""
        try:
            return (
                chosen_option("speech", speech, _host.asked(cls.hidden, "speech"), _SPEECH),
                chosen_option("vendor", vendor, _host.asked(cls.hidden, "vendor"), _VENDOR),
            )
        except InputError as problem:
            raise node_error(problem) from problem


def _spoken(speech: dict[str, Any]) -> SpokenText:
    """Raises LipSyncError where a linked text has turned out empty."""
    text, voice = speech.get("text") or "", speech.get("voice") or "Auto"
    try:
        check_text(text)
    except InputError as problem:
        raise node_error(problem) from problem
    return SpokenText(text, None if voice == "Auto" else voice)
